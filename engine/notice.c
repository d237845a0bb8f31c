/* notice.c - the signature of a webhook call; see notice.h. */
#include "engine/notice.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/check.h"

void notice_sign(const void *secret, size_t secret_length, int64_t at_s, const void *body, size_t length,
                 char signature[NOTICE_SIGNATURE_BYTES + 32])
{
    struct buf signed_text = {0};
    uint8_t mac[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    buf_printf(&signed_text, "%" PRId64 ".", at_s);
    buf_append(&signed_text, body, length);
    CHECK(buf_ok(&signed_text));
    hmac_sha256(secret, secret_length, signed_text.data, signed_text.length, mac);
    hex_encode(mac, sizeof mac, hex);
    (void)snprintf(signature, NOTICE_SIGNATURE_BYTES + 32, "t=%" PRId64 ",v1=%s", at_s, hex);
    buf_free(&signed_text);
}

int64_t notice_backoff_s(int attempts)
{
    int64_t seconds = 5;
    for (int i = 1; i < attempts && seconds < 21600; i++) {
        seconds *= 2;
    }
    return seconds < 21600 ? seconds : 21600;
}
