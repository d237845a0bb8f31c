#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/help.h"

const char cmd_completion_help[] = "farthing completion bash|zsh|fish\n"
                                   "\n"
                                   "Examples:\n"
                                   "  source <(farthing completion bash)        also for zsh, after compinit\n"
                                   "  farthing completion zsh > ~/.zfunc/_farthing\n"
                                   "  farthing completion fish > ~/.config/fish/completions/farthing.fish\n";

/* What a help text shows is what completes: "--name" anywhere, and the word after "farthing NAME " at the start of a
 * line. */
static void each_option(const struct cmd *cmd, void (*visit)(const char *word, int length, const void *ctx),
                        const void *ctx)
{
    for (const char *at = cmd->help; (at = strstr(at, "--")) != NULL;) {
        int length = 2;
        while (islower((unsigned char)at[length]) || at[length] == '-') {
            length++;
        }
        bool fresh = length > 2 && (at == cmd->help || !isalnum((unsigned char)at[-1]));
        for (const char *before = cmd->help; fresh && before < at; before++) {
            fresh = !(strncmp(before, at, (size_t)length) == 0 && !islower((unsigned char)before[length]) &&
                      before[length] != '-' && before != at);
        }
        if (fresh) {
            visit(at, length, ctx);
        }
        at += length;
    }
}

static void each_sub(const struct cmd *cmd, void (*visit)(const char *word, int length, const void *ctx),
                     const void *ctx)
{
    const char *end = strstr(cmd->help, "\n\n");
    size_t name = strlen(cmd->name);

    for (const char *line = cmd->help; line != NULL && line < end; line = strchr(line, '\n') + 1) {
        const char *word = line + 9 + name + 1;
        if (strncmp(line, "farthing ", 9) == 0 && strncmp(line + 9, cmd->name, name) == 0 &&
            islower((unsigned char)*word)) {
            int length = (int)strspn(word, "abcdefghijklmnopqrstuvwxyz-");
            for (; length > 0 && strchr(" \n|", word[length]) != NULL; /* one, or one of several: bash|zsh */
                 word += length + 1, length = word[-1] == '|' ? (int)strspn(word, "abcdefghijklmnopqrstuvwxyz-") : 0) {
                visit(word, length, ctx);
            }
        }
    }
}

static void plain(const char *word, int length, const void *ctx)
{
    (void)ctx;
    (void)printf("%.*s ", length, word);
}

static void print_words(const struct cmd *cmd)
{
    static const char *const COMMON[] = {"--json", "--url", "--key", "--data-dir"};
    each_sub(cmd, plain, NULL);
    each_option(cmd, plain, NULL);
    for (size_t i = 0; i < sizeof COMMON / sizeof COMMON[0]; i++) {
        if (strstr(cmd->help, COMMON[i]) == NULL) {
            (void)printf("%s ", COMMON[i]);
        }
    }
    (void)printf("--help");
}

static void bash(void)
{
    (void)printf("_farthing() {\n    local cur=${COMP_WORDS[COMP_CWORD]} words=\n    if [ \"$COMP_CWORD\" = 1 ]; "
                 "then\n        words=\"");
    for (const struct cmd *cmd = help_table(); cmd->name != NULL; cmd++) {
        (void)printf("%s ", cmd->name);
    }
    (void)printf("\"\n    else\n        case ${COMP_WORDS[1]} in\n");
    for (const struct cmd *cmd = help_table(); cmd->name != NULL; cmd++) {
        (void)printf("        %s) words=\"", cmd->name);
        print_words(cmd);
        (void)printf("\" ;;\n");
    }
    (void)puts("        esac\n    fi\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
               "complete -o default -F _farthing farthing");
}

static void zsh(void)
{
    (void)puts("#compdef farthing\n_farthing() {\n    local -a commands\n    commands=(");
    for (const struct cmd *cmd = help_table(); cmd->name != NULL; cmd++) {
        (void)printf("        \"%s:%s\"\n", cmd->name, cmd->summary);
    }
    (void)puts("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n   "
               " case $words[2] in");
    for (const struct cmd *cmd = help_table(); cmd->name != NULL; cmd++) {
        (void)printf("    %s) compadd -- ", cmd->name);
        print_words(cmd);
        (void)puts(" ;;");
    }
    /* Found as _farthing in fpath it is called at once; sourced, it says what it completes. */
    (void)puts("    esac\n    _files\n}\nif [[ $funcstack[1] == _farthing ]]; then\n    _farthing \"$@\"\nelse\n"
               "    compdef _farthing farthing\nfi");
}

static void fish_option(const char *word, int length, const void *ctx)
{
    (void)printf("complete -c farthing -n '__fish_seen_subcommand_from %s' -l %.*s\n", (const char *)ctx, length - 2,
                 word + 2);
}

static void fish_sub(const char *word, int length, const void *ctx)
{
    (void)printf("complete -c farthing -n '__fish_seen_subcommand_from %s' -a %.*s\n", (const char *)ctx, length, word);
}

static void fish(void)
{
    for (const struct cmd *cmd = help_table(); cmd->name != NULL; cmd++) {
        (void)printf("complete -c farthing -n __fish_use_subcommand -a %s -d '", cmd->name);
        for (const char *c = cmd->summary; *c != '\0'; c++) {
            (void)fputs(*c == '\'' ? "\\'" : (char[]){*c, '\0'}, stdout);
        }
        (void)puts("'");
        each_sub(cmd, fish_sub, cmd->name);
        each_option(cmd, fish_option, cmd->name);
    }
}

int cmd_completion(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } SHELLS[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

    for (size_t i = 0; argc == 2 && i < sizeof SHELLS / sizeof SHELLS[0]; i++) {
        if (strcmp(argv[1], SHELLS[i].name) == 0) {
            SHELLS[i].print();
            return CMD_OK;
        }
    }
    (void)fputs("farthing completion: say which shell: bash, zsh or fish\n", stderr);
    return CMD_USAGE;
}
