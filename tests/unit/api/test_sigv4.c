/*
 * Goal: signatures are computed as AWS clients compute them. Method: signatures that botocore made for fixed requests
 * (paths with an ARN, queries out of order, with and without a signed payload hash), and what must be refused.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "api/sigv4.h"
#include "common/err.h"

#define AUTHORIZATION(headers, signature)                                                                              \
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/us-east-1/lambda/aws4_request, SignedHeaders=" headers           \
    ", Signature=" signature
#define EMPTY_SHA "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct {
    const char *method, *path, *query, *payload_hash, *authorization;
} SIGNED[] = {
    {"GET", "/2015-03-31/functions", "", EMPTY_SHA,
     AUTHORIZATION("host;x-amz-date", "782b195313960f7c7dcec1cbfbf55e5f43f7f846e48305eafc0fe50fb8399745")},
    {"POST", "/2015-03-31/functions/f/invocations", "",
     "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
     AUTHORIZATION("content-type;host;x-amz-date", "5133c9b46a08c5498f82ab09e1fc87e6631f5785da6d0e621797c43001bf1868")},
    {"POST", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af/invocations",
     "Qualifier=live", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
     AUTHORIZATION("host;x-amz-date", "11546e2bd7abaef4b3f73b4103815d7c76fd1cfcf3a842844e1622bc4c59609b")},
    {"DELETE", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Alocal%3A1%3Afunction%3Af", "tagKeys=z&tagKeys=a%20b", EMPTY_SHA,
     AUTHORIZATION("host;x-amz-date", "c6c98fc683ff7bf0a2eba7c256bcc4aa1005210caffcf098bc0b9ec0e17e7b5e")},
};

static const char *header_of(void *ctx, const char *name)
{
    (void)ctx;
    if (strcmp(name, "host") == 0) {
        return "127.0.0.1:8080";
    }
    if (strcmp(name, "x-amz-date") == 0) {
        return "20261123T064551Z";
    }
    return strcmp(name, "content-type") == 0 ? "  application/octet-stream " : NULL;
}

START_TEST(signs_as_botocore)
{
    struct sigv4_parts parts;
    struct err err = {0};
    char signature[65];
    ck_assert_int_eq(sigv4_parse(SIGNED[_i].authorization, &parts, &err), 0);
    ck_assert_str_eq(parts.access_key_id, "AKIDEXAMPLE");
    ck_assert_str_eq(parts.region, "us-east-1");
    ck_assert_int_eq(sigv4_sign(&parts, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SIGNED[_i].method, SIGNED[_i].path,
                                SIGNED[_i].query, "20261123T064551Z", SIGNED[_i].payload_hash, header_of, NULL,
                                signature, &err),
                     0);
    ck_assert_str_eq(signature, parts.signature);
}
END_TEST

START_TEST(refuses)
{
    static const char *const texts[] = {
        "AWS4-HMAC-SHA256 Credential=A/20261123/r/lambda/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=A/20261123/r/lambda, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=A/20261123/r/lambda/other, SignedHeaders=host, Signature=" EMPTY_SHA,
        "AWS4-HMAC-SHA512 Credential=A/20261123/r/lambda/aws4_request, SignedHeaders=host, Signature=" EMPTY_SHA,
        "Bearer far_x"};
    struct sigv4_parts parts;
    struct err err = {0};
    ck_assert_int_eq(sigv4_parse(texts[_i], &parts, &err), -1);
    ck_assert_str_eq(err.slug, "IncompleteSignatureException");
}
END_TEST

START_TEST(host_must_be_signed)
{
    struct sigv4_parts parts;
    struct err err = {0};
    char signature[65];
    ck_assert_int_eq(sigv4_parse(AUTHORIZATION("x-amz-date", EMPTY_SHA), &parts, &err), 0);
    ck_assert_int_eq(
        sigv4_sign(&parts, "s", "GET", "/", "", "20261123T064551Z", EMPTY_SHA, header_of, NULL, signature, &err), -1);
    ck_assert_int_eq(sigv4_parse(AUTHORIZATION("host;x-missing", EMPTY_SHA), &parts, &err), 0);
    ck_assert_int_eq(
        sigv4_sign(&parts, "s", "GET", "/", "", "20261123T064551Z", EMPTY_SHA, header_of, NULL, signature, &err), -1);
}
END_TEST

START_TEST(times)
{
    int64_t at_us = 0;
    ck_assert_int_eq(sigv4_time("20261123T064551Z", &at_us), 0);
    ck_assert_int_eq(at_us, INT64_C(1795416351000000));
    ck_assert_int_eq(sigv4_time("20261123T064551", &at_us), -1);
    ck_assert_int_eq(sigv4_time("20261323T064551Z", &at_us), -1);
    ck_assert_int_eq(sigv4_time(NULL, &at_us), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sigv4");
    TCase *tcase = tcase_create("sigv4");
    tcase_add_loop_test(tcase, signs_as_botocore, 0, (int)(sizeof SIGNED / sizeof SIGNED[0]));
    tcase_add_loop_test(tcase, refuses, 0, 5);
    tcase_add_test(tcase, host_must_be_signed);
    tcase_add_test(tcase, times);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
