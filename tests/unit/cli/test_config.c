/*
 * Goal:   a file of options: every kind of value, the comments people write, and each mistake by file, line, key and
 * rule. Method: files are written, read through a table of options, and looked at.
 */
#include "cli/args.h"
#include "cli/config.h"
#include "common/err.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    const char *listen, *database;
    int64_t spool_mib;
    bool demo;
};

static char file_name[64];

static int read_text(const char *text, struct options *options, struct config *config, struct err *err)
{
    (void)snprintf(file_name, sizeof file_name, "/tmp/farthing-config-%d", (int)getpid());
    FILE *file = fopen(file_name, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    *options = (struct options){.spool_mib = 1024};
    const struct arg args[] = {A_TEXT("listen", &options->listen), A_TEXT("database", &options->database),
                               A_NUMBER("spool-mib", &options->spool_mib, 8, 4096), A_FLAG("demo", &options->demo),
                               A_END};
    int rc = config_read(file_name, args, config, err);
    (void)unlink(file_name);
    return rc;
}

START_TEST(every_kind_of_line)
{
    struct options options;
    struct config config;
    struct err err = {0};
    int rc = read_text(
        "# ours\n\n  listen = 127.0.0.1:0  \ndatabase=host=db1,db2 dbname=farthing\r\nspool-mib = 64\ndemo = yes",
        &options, &config, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_str_eq(options.listen, "127.0.0.1:0");
    ck_assert_str_eq(options.database, "host=db1,db2 dbname=farthing");
    ck_assert_int_eq(options.spool_mib, 64);
    ck_assert(options.demo);
    ck_assert_int_eq(config.count, 4);
    config_free(&config);
    config_free(&config); /* twice does no harm */
}
END_TEST

START_TEST(an_empty_file_says_nothing)
{
    struct options options;
    struct config config;
    struct err err = {0};
    ck_assert_int_eq(read_text("", &options, &config, &err), 0);
    ck_assert_int_eq(config.count, 0);
    ck_assert_int_eq(options.spool_mib, 1024);
    config_free(&config);
}
END_TEST

static const struct {
    const char *text, *want;
} MISTAKES[] = {
    {"listen = a\nlisen = b\n", ":2: lisen: there is no such key; did you mean listen?"},
    {"nothing_like_it = 1\n", ":1: nothing_like_it: there is no such key"},
    {"\n\nlisten\n", ":3: \"listen\" has no =; a line is: key = value"},
    {"demo = maybe\n", ":1: demo: is \"maybe\"; it must be yes or no"},
    {"spool-mib = 3\n", ":1: spool-mib:"},
    {"spool-mib = many\n", ":1: spool-mib:"},
    {"listen = a\nlisten = b\n", ":2: listen: stands in line 1 already"},
    {"listen =\n", ":1: listen: has no value"},
    {"config = other\n", ":1: config: there is no such key"},
};

START_TEST(each_mistake_has_its_place)
{
    struct options options;
    struct config config;
    struct err err = {0};
    ck_assert_int_eq(read_text(MISTAKES[_i].text, &options, &config, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_msg(strncmp(err.text, file_name, strlen(file_name)) == 0, "%s", err.text);
    ck_assert_msg(strstr(err.text, MISTAKES[_i].want) != NULL, "%s", err.text);
    config_free(&config);
}
END_TEST

/* A check that fails after reading names the line that set the option, or leaves the error as it was. */
START_TEST(blame)
{
    struct options options;
    struct config config;
    struct err err = {0};
    ck_assert_int_eq(read_text("demo = no\nlisten = nowhere\n", &options, &config, &err), 0);
    (void)err_field(&err, "listen", "no address");
    ck_assert_int_eq(config_blame(&config, &err), -1);
    ck_assert_msg(strstr(err.text, ":2: listen: no address") != NULL, "%s", err.text);
    err = (struct err){0};
    (void)err_field(&err, "database", "no server");
    ck_assert_int_eq(config_blame(&config, &err), -1);
    ck_assert_str_eq(err.text, "no server");
    config_free(&config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("config");
    tcase_add_test(tcase, every_kind_of_line);
    tcase_add_test(tcase, an_empty_file_says_nothing);
    tcase_add_loop_test(tcase, each_mistake_has_its_place, 0, sizeof MISTAKES / sizeof MISTAKES[0]);
    tcase_add_test(tcase, blame);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
