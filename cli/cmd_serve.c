#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/function_url.h"
#include "api/node.h"
#include "billing/retention.h"
#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/config.h"
#include "cli/share.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/log.h"
#include "reports/party.h"

const char cmd_serve_help[] =
    "farthing serve [OPTIONS]\n"
    "\n"
    "  --listen ADDRESS        where to listen (127.0.0.1:8080; port 0 takes a free one)\n"
    "  --data-dir DIR          everything that is not in PostgreSQL (FARTHING_DATA_DIR; /var/lib/farthing as root,\n"
    "                          else ~/.local/share/farthing)\n"
    "  --database URL          a PostgreSQL 15 or newer (FARTHING_DATABASE); without it the node starts its own\n"
    "  --roles LIST            which parts of a node this one is, of api,engine,aggregator,biller (all)\n"
    "  --sandbox MODE          bwrap, auto, none (bwrap; with --demo auto): none isolates nothing and is for "
    "development\n"
    "                          only, auto is none with a warning where this machine makes no sandboxes\n"
    "  --issuer TEXT           who sends the bills\n"
    "  --issuer-file FILE      the same with address, tax number, payment and terms, as JSON (docs/reports.md)\n"
    "  --tls-cert FILE --tls-key FILE\n"
    "                          speak HTTPS\n"
    "  --function-url-base URL\n"
    "                          what function URLs are below (http://lambda-url.localhost:PORT):\n"
    "                          https://fn.example.org makes https://<id>.fn.example.org/, which is to lead here\n"
    "  --spool-mib N           the most the spool may hold before work is refused (1024)\n"
    "  --close-months          close a month by itself once it is over and the grace has passed\n"
    "  --close-grace HOURS     how long to wait for records that come late (48)\n"
    "  --record-retention N    drop raw records N days after their month ended, once they are billed and sealed (0:\n"
    "                          never)\n"
    "  --allow-network-host    functions may ask for the host's network, and reach all that this machine reaches; "
    "unless\n"
    "                          the node runs as root, also each other's Runtime API\n"
    "  --allow-private-webhooks\n"
    "                          webhooks may call loopback and private addresses (tenants choose where they go)\n"
    "  --log-level LEVEL       debug, info, warn, error (info)\n"
    "  --demo                  make account demo with the example functions, say what to type next\n"
    "  --config FILE           these options as key = value lines; what stands on the command line wins\n"
    "  --check-config          say whether options and file are right, and start nothing\n"
    "  --print-config          print such a file with every key explained\n"
    "\n"
    "The node runs in the foreground and stops cleanly on SIGTERM or Ctrl-C. Its admin key is in DIR/admin.key.\n"
    "\n"
    "Examples:\n"
    "  farthing serve\n"
    "  farthing serve --listen 127.0.0.1:9000 --data-dir ./data --demo\n"
    "  farthing serve --database \"host=db1,db2 dbname=farthing target_session_attrs=read-write\"\n";

struct serve_words {
    struct node_options options;
    struct party issuer;
    const char *issuer_file;
    const char *log_level;
    int64_t spool_mib;
    int64_t retention_days;
    int64_t close_grace_hours;
    const char *config_file;
    bool demo, check_config, print_config;
    struct config config;
};

/* The name of the file is the name on bills, unless --issuer says another. */
static int read_issuer(struct serve_words *words, struct err *err)
{
    struct node_options *options = &words->options;
    struct buf text = {0};
    int rc = fs_read(words->issuer_file, PARTY_DOCUMENT_BYTES_MAX, &text, err);
    if (rc == 0) {
        rc = party_parse(buf_text(&text), text.length, true, &words->issuer, err);
    }
    buf_free(&text);
    if (rc != 0) {
        return err_wrap(err, "--issuer-file %s", words->issuer_file);
    }
    if (options->issuer == NULL && words->issuer.name[0] != '\0') {
        options->issuer = words->issuer.name;
    } else if (options->issuer != NULL) {
        (void)snprintf(words->issuer.name, sizeof words->issuer.name, "%s", options->issuer);
    }
    options->issuer_party = &words->issuer;
    return 0;
}

/* What can be said without starting anything. */
static int check_words(struct serve_words *words, enum log_level *level, struct err *err)
{
    struct node_options *options = &words->options;

    if ((options->tls_cert == NULL) != (options->tls_key == NULL)) {
        return err_field(err, options->tls_key == NULL ? "tls-cert" : "tls-key",
                         "--tls-cert and --tls-key belong together");
    }
    if (options->tls_cert != NULL && access(options->tls_cert, R_OK) != 0) {
        return err_field(err, "tls-cert", "%s: %s", options->tls_cert, strerror(errno));
    }
    if (options->tls_key != NULL && access(options->tls_key, R_OK) != 0) {
        return err_field(err, "tls-key", "%s: %s", options->tls_key, strerror(errno));
    }
    if (options->sandbox != NULL && strcmp(options->sandbox, "bwrap") != 0 && strcmp(options->sandbox, "auto") != 0 &&
        strcmp(options->sandbox, "none") != 0) {
        return err_field(err, "sandbox", "sandbox is \"%.20s\"; it is auto, bwrap or none", options->sandbox);
    }
    if (words->log_level != NULL && log_level_parse(words->log_level, level) != 0) {
        return err_field(err, "log-level", "--log-level is \"%s\"; it must be debug, info, warn or error",
                         words->log_level);
    }
    if (options->function_url_base != NULL && function_url_base_check(options->function_url_base, err) != 0) {
        return -1;
    }
    if (words->issuer_file != NULL && read_issuer(words, err) != 0) {
        return err_at(err, "issuer-file");
    }
    return 0;
}

/* The command line is read first for --config, and once more after the file, so that it wins. */
static int read_config(struct cli *cli, struct serve_words *words, const struct arg *args, struct err *err)
{
    if (args_parse(cli->argc, cli->argv, args, NULL, &cli->words, err) != 0) {
        return -1;
    }
    if (words->config_file == NULL) {
        return 0;
    }
    if (config_read(words->config_file, args, &words->config, err) != 0) {
        return -1;
    }
    return args_parse(cli->argc, cli->argv, args, NULL, &cli->words, err);
}

static int read_words(struct cli *cli, struct serve_words *words, char data_dir[4096], struct err *err)
{
    struct node_options *options = &words->options;
    enum log_level level = LOG_LEVEL_INFO;
    const struct arg args[] = {A_TEXT("listen", &options->listen),
                               A_TEXT("data-dir", &options->data_dir),
                               A_TEXT("database", &options->database),
                               A_TEXT("roles", &options->roles),
                               A_TEXT("sandbox", &options->sandbox),
                               A_TEXT("issuer", &options->issuer),
                               A_TEXT("issuer-file", &words->issuer_file),
                               A_TEXT("tls-cert", &options->tls_cert),
                               A_TEXT("tls-key", &options->tls_key),
                               A_TEXT("function-url-base", &options->function_url_base),
                               A_NUMBER("spool-mib", &words->spool_mib, 16, 1048576),
                               A_FLAG("close-months", &options->close_months),
                               A_NUMBER("close-grace", &words->close_grace_hours, 0, 2000),
                               A_NUMBER("record-retention", &words->retention_days, 0, RETENTION_DAYS_MAX),
                               A_FLAG("allow-network-host", &options->allow_network_host),
                               A_FLAG("allow-private-webhooks", &options->allow_private_webhooks),
                               A_TEXT("log-level", &words->log_level),
                               A_FLAG("demo", &words->demo),
                               A_TEXT("config", &words->config_file),
                               A_FLAG("check-config", &words->check_config),
                               A_FLAG("print-config", &words->print_config),
                               A_END};

    if (read_config(cli, words, args, err) != 0) {
        return -1;
    }
    if (cli->words.count > 0) {
        return err_set(err, ERR_INVALID, "unknown word \"%s\"; see `farthing serve --help`", cli->words.items[0]);
    }
    if (check_words(words, &level, err) != 0) {
        return config_blame(&words->config, err);
    }
    if (cli_data_dir(options->data_dir, data_dir, err) != 0) {
        return -1;
    }
    if (words->options.sandbox == NULL) {
        /* A person trying it out sees the demo on any machine, with a warning; a node for others isolates or does not
         * start. */
        words->options.sandbox = words->demo ? "auto" : "bwrap";
    }
    if (words->demo && words->log_level == NULL && isatty(STDERR_FILENO) == 1) {
        level = LOG_LEVEL_WARN; /* a person is watching: the demo's own words must not drown */
    }
    log_level_set(level);
    options->data_dir = data_dir;
    options->spool_bytes_max = (uint64_t)words->spool_mib * 1024 * 1024;
    options->close_grace_hours = (int)words->close_grace_hours;
    options->retention_days = (int)words->retention_days;
    return 0;
}

/* The demo is a client like any other: a script that talks to this node through the command line. */
static int start_demo(const struct node *node, const char *data_dir, pid_t *pid, struct err *err)
{
    char script[PATH_MAX], program[PATH_MAX];
    char *argv[] = {(char[]){"bash"}, script, (char[]){"--setup"}, NULL};
    posix_spawnattr_t attributes;
    sigset_t none;
    int rc = 0;

    if (share_find("scripts/demo.sh", script, err) != 0 || share_program(program, err) != 0) {
        return -1;
    }
    if (setenv("FARTHING_URL", node_url(node), 1) != 0 || setenv("FARTHING_KEY", node_admin_key(node), 1) != 0 ||
        setenv("FARTHING_DATA_DIR", data_dir, 1) != 0 || setenv("FARTHING_BIN", program, 1) != 0) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    (void)sigemptyset(&none);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    rc = posix_spawnp(pid, "bash", NULL, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    return rc == 0 ? 0 : err_set(err, ERR_SYSTEM, "start the demo: %s", strerror(rc));
}

static void stop_demo(pid_t pid)
{
    if (pid > 0) {
        (void)kill(-pid, SIGTERM);
        while (waitpid(pid, NULL, 0) == -1 && errno == EINTR) {
        }
    }
}

static int serve(struct cli *cli, struct err *err)
{
    struct serve_words words = {
        .options = {.listen = "127.0.0.1:8080", .database = getenv("FARTHING_DATABASE"), .sandbox = NULL},
        .spool_mib = 1024,
        .close_grace_hours = 48};
    char data_dir[4096];
    struct node *node = NULL;
    pid_t demo = 0;
    int rc = -1;

    if (read_words(cli, &words, data_dir, err) != 0) {
        goto out;
    }
    if (words.print_config || words.check_config) {
        rc = 0;
        if (words.print_config) {
            config_print(cmd_serve_help);
        } else {
            (void)printf("%s is right\n", words.config_file != NULL ? words.config_file : "the command line");
        }
        goto out;
    }
    if (node_open(&words.options, &node, err) != 0) {
        goto out;
    }
    (void)printf("farthing " FARTHING_VERSION " listens on %s (data in %s)\n", node_url(node), data_dir);
    (void)fflush(stdout);
    if (words.demo && start_demo(node, data_dir, &demo, err) != 0) {
        goto out;
    }
    rc = node_run(node, err);
out:
    stop_demo(demo);
    node_close(&node);
    config_free(&words.config);
    return rc;
}

int cmd_serve(int argc, char **argv)
{
    return cli_run("serve", serve, argc, argv);
}
