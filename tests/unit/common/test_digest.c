/*
 * Goal:   hashes and encodings are those of their standards, and decoders take nothing else.
 * Method: published test vectors; round trips; every broken group of base64.
 */
#include "common/buf.h"
#include "common/digest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(list) ((int)(sizeof(list) / sizeof((list)[0])))

START_TEST(sha256_vectors)
{
    uint8_t digest[SHA256_BYTES];
    uint8_t again[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    sha256("abc", 3, digest);
    hex_encode(digest, sizeof digest, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct sha256 *state = sha256_new();
    sha256_update(state, "a", 1);
    sha256_update(state, "", 0);
    sha256_update(state, "bc", 2);
    sha256_end(&state, again);
    ck_assert_ptr_null(state);
    ck_assert(equal_constant_time(digest, again, sizeof again));
    again[31] ^= 1;
    ck_assert(!equal_constant_time(digest, again, sizeof again));
    state = sha256_new();
    sha256_end(&state, NULL);
    sha256_end(&state, NULL);
}
END_TEST

START_TEST(hmac_vector)
{
    uint8_t mac[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac); /* RFC 4231, case 2 */
    hex_encode(mac, sizeof mac, hex);
    ck_assert_str_eq(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}
END_TEST

START_TEST(hex_is_strict)
{
    uint8_t bytes[2] = {9, 9};
    ck_assert_int_eq(hex_decode("0aFf", bytes, 2), 0);
    ck_assert_int_eq(bytes[0] * 256 + bytes[1], 0x0aff);
    ck_assert_int_eq(hex_decode("0aF", bytes, 2), -1);
    ck_assert_int_eq(hex_decode("0aFf0", bytes, 2), -1);
    ck_assert_int_eq(hex_decode("0aFg", bytes, 2), -1);
    ck_assert_int_eq(hex_decode("", bytes, 0), 0);
}
END_TEST

static const struct {
    const char *bytes;
    const char *text;
} BASE64[] = {{"", ""},
              {"f", "Zg=="},
              {"fo", "Zm8="},
              {"foo", "Zm9v"},
              {"foob", "Zm9vYg=="},
              {"fooba", "Zm9vYmE="},
              {"foobar", "Zm9vYmFy"},
              {"\xfb\xff\xfe", "+//+"}};

START_TEST(base64_vectors)
{
    struct buf out = {0};
    base64_encode(BASE64[_i].bytes, strlen(BASE64[_i].bytes), &out);
    ck_assert_str_eq(buf_text(&out), BASE64[_i].text);
    buf_clear(&out);
    ck_assert_int_eq(base64_decode(BASE64[_i].text, strlen(BASE64[_i].text), &out), 0);
    ck_assert_str_eq(buf_text(&out), BASE64[_i].bytes);
    buf_free(&out);
}
END_TEST

static const char *const BAD_BASE64[] = {
    "Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Z===", "Zg==Zg==", "Zm9v ", "Zm-v", "Zm_v", "Zm9v\n"};

START_TEST(base64_is_strict)
{
    struct buf out = {0};
    buf_puts(&out, "kept");
    ck_assert_int_eq(base64_decode(BAD_BASE64[_i], strlen(BAD_BASE64[_i]), &out), -1);
    ck_assert_str_eq(buf_text(&out), "kept");
    buf_free(&out);
}
END_TEST

START_TEST(random_bytes_differ)
{
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    random_bytes(a, sizeof a);
    random_bytes(b, sizeof b);
    ck_assert_int_ne(memcmp(a, b, sizeof a), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("digest");
    TCase *tc = tcase_create("digest");
    tcase_add_test(tc, sha256_vectors);
    tcase_add_test(tc, hmac_vector);
    tcase_add_test(tc, hex_is_strict);
    tcase_add_loop_test(tc, base64_vectors, 0, COUNT_OF(BASE64));
    tcase_add_loop_test(tc, base64_is_strict, 0, COUNT_OF(BAD_BASE64));
    tcase_add_test(tc, random_bytes_differ);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
