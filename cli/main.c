#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/help.h"

int main(int argc, char **argv)
{
    const struct cmd *cmd = NULL;

    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help_print_all(argc < 2 ? stderr : stdout);
        return argc < 2 ? CMD_USAGE : CMD_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        argv[1] += 2;
    }
    cmd = help_find(argv[1]);
    if (cmd == NULL) {
        help_unknown(argv[1]);
        return CMD_USAGE;
    }
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help_print(cmd, stdout);
            return CMD_OK;
        }
    }
    return cmd->run(argc - 1, argv + 1);
}
