/*
 * Goal:   a proof holds for what it was made for; each step that does not hold is named; JSON of another format or with
 *         a broken hash is refused with its pointer.
 * Method: a proof made by hand from two days of records; one thing changed at a time.
 */
#include "common/buf.h"
#include "common/err.h"
#include "reports/proof.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define DAY_US INT64_C(1791158400000000) /* 2026-10-05 */

static struct usage_record record_of(int i)
{
    struct usage_record made = {.account_id = 100000000001,
                                .function_id = 7,
                                .started_us = DAY_US + i,
                                .duration_us = 1500,
                                .billed_ms = 2,
                                .memory_mib = 128,
                                .billed_requests = 1,
                                .ephemeral_mib = 512,
                                .attempt = 1};
    made.request_id[15] = (uint8_t)i;
    return made;
}

static struct proof made(void)
{
    struct merkle_hash leaves[5];
    struct merkle_hash days[2];
    struct merkle tree = {0};
    struct seal_proof seal = {.record = record_of(3), .day = 1};
    seal.month = (struct seal_month){.account_id = 100000000001, .days = 2};
    for (int i = 0; i < 5; i++) {
        struct usage_record record = record_of(i);
        leaves[i] = proof_record_leaf(&record);
        merkle_add(&tree, &leaves[i]);
    }
    seal.month.day[0] = (struct seal_day){.day_us = DAY_US - 86400000000, .records = 1, .root = leaves[0]};
    seal.month.day[1] = (struct seal_day){.day_us = DAY_US, .records = 5, .root = merkle_root(&tree)};
    seal_month_sum(&seal.month);
    for (int i = 0; i < 2; i++) {
        char text[PROOF_TEXT_BYTES];
        size_t length = proof_day_text(100000000001, seal.month.day[i].day_us, seal.month.day[i].records,
                                       &seal.month.day[i].root, text);
        days[i] = merkle_leaf(text, length);
    }
    merkle_path_of(leaves, 5, 3, &seal.in_day);
    merkle_path_of(days, 2, 1, &seal.in_month);
    ck_assert(seal_proof_holds(&seal));
    struct proof proof;
    proof_of_seal(&seal, "INV-2026-000001", &proof);
    return proof;
}

START_TEST(a_true_proof_holds_and_travels)
{
    struct proof proof = made();
    struct proof again;
    struct buf json = {0};
    struct err err = {0};
    ck_assert_msg(proof_check(&proof, &err) == 0, "%s", err.text);
    proof_write(&proof, &json);
    ck_assert_msg(proof_read(buf_text(&json), json.length, &again, &err) == 0, "%s", err.text);
    ck_assert_msg(proof_check(&again, &err) == 0, "%s", err.text);
    ck_assert_str_eq(again.number, "INV-2026-000001");
    ck_assert_str_eq(again.record, proof.record);
    buf_free(&json);
}
END_TEST

static void change_text(char *text, const char *from, const char *to)
{
    char *at = strstr(text, from);
    ck_assert_ptr_nonnull(at);
    ck_assert_uint_eq(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
}

START_TEST(each_broken_step_is_named)
{
    static const char *const TEXT[] = {"the record leads to day root",
                                       "the record is of acct_100000000002",
                                       "the record started at 2026-10-04",
                                       "the day has 6 records",
                                       "the path of the record does not fit",
                                       "the record leads to day root",
                                       "the path of the day does not fit",
                                       "the day leads to records root",
                                       "the lines begin with"};
    struct proof proof = made();
    struct err err = {0};
    switch (_i) {
    case 0:
        change_text(proof.record, ",2,128,", ",1,128,");
        break;
    case 1:
        change_text(proof.record, "acct_100000000001", "acct_100000000002");
        break;
    case 2:
        change_text(proof.record, "2026-10-05", "2026-10-04");
        break;
    case 3:
        change_text(proof.day, ",5,", ",6,");
        break;
    case 4:
        proof.in_day.length--;
        break;
    case 5:
        proof.in_day.hashes[1].bytes[7] ^= 1;
        break;
    case 6:
        proof.in_month.index = 9;
        break;
    case 7:
        proof.in_month.hashes[0].bytes[0] ^= 1;
        break;
    default:
        change_text(proof.day, "farthing-day-1", "farthing-day-2");
        break;
    }
    ck_assert_int_eq(proof_check(&proof, &err), -1);
    ck_assert_msg(strncmp(err.text, TEXT[_i], strlen(TEXT[_i])) == 0, "%s", err.text);
}
END_TEST

static const struct {
    const char *from, *to, *field;
} BROKEN[] = {
    {"farthing-proof-1", "farthing-proof-9", "/format"},
    {"\"index\":3", "\"index\":-", ""},
    {"\"count\":5", "\"count\":0", "/in_day/count"},
    {"\"records_root\":\"", "\"records_root\":\"x", "/records_root"},
    {"\"hashes\":[\"", "\"hashes\":[\"g", "/in_day/hashes/0"},
    {"\"day\":", "\"dai\":", "/dai"},
};

START_TEST(broken_documents_are_refused)
{
    struct proof proof = made();
    struct buf json = {0};
    struct buf changed = {0};
    struct err err = {0};
    proof_write(&proof, &json);
    const char *at = strstr(buf_text(&json), BROKEN[_i].from);
    ck_assert_ptr_nonnull(at);
    buf_append(&changed, json.data, (size_t)(at - json.data));
    buf_puts(&changed, BROKEN[_i].to);
    buf_puts(&changed, at + strlen(BROKEN[_i].from));
    ck_assert_int_eq(proof_read(buf_text(&changed), changed.length, &proof, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_str_eq(err.field, BROKEN[_i].field);
    buf_free(&json);
    buf_free(&changed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reports/proof");
    TCase *tcase = tcase_create("proof");
    tcase_add_test(tcase, a_true_proof_holds_and_travels);
    tcase_add_loop_test(tcase, each_broken_step_is_named, 0, 9);
    tcase_add_loop_test(tcase, broken_documents_are_refused, 0, sizeof BROKEN / sizeof BROKEN[0]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
