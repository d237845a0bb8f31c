/* Code.Location of GetFunction, Content.Location of layers: an address of the package that needs no key, for ten
 * minutes, as Lambda's does. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/lambda.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/function.h"
#include "engine/node_key.h"

#define VALID_S 600
#define HEX_BYTES (2 * SHA256_BYTES + 1)

/* What the address promises, signed with the node's key: another account, package or hour is another signature. */
static void sign(const struct request *request, int64_t account_id, const char *package, int64_t expires_s,
                 char signature[HEX_BYTES])
{
    char text[200];
    uint8_t mac[SHA256_BYTES];
    int length = snprintf(text, sizeof text, "package\n%" PRId64 "\n%.64s\n%" PRId64, account_id, package, expires_s);
    hmac_sha256(api_get_options(request->api)->node_key, NODE_KEY_BYTES, text, (size_t)length, mac);
    hex_encode(mac, sizeof mac, signature);
}

void lambda_package_location(const struct request *request, const uint8_t digest[SHA256_BYTES],
                             char location[LAMBDA_LOCATION_BYTES])
{
    char package[HEX_BYTES];
    char signature[HEX_BYTES];
    int64_t expires_s = clock_wall_us() / 1000000 + VALID_S;
    const char *host = request_header(request, "Host");
    hex_encode(digest, SHA256_BYTES, package);
    sign(request, request->account_id, package, expires_s, signature);
    (void)snprintf(location, LAMBDA_LOCATION_BYTES,
                   "%s://%.120s/2015-03-31/packages/%s?account=%" PRId64 "&expires=%" PRId64 "&signature=%s",
                   api_get_options(request->api)->tls_cert != NULL ? "https" : "http",
                   host != NULL ? host : "localhost", package, request->account_id, expires_s, signature);
}

int lambda_package_handler(struct request *request, struct err *err)
{
    const char *package = request_param(request, "package");
    const char *given = request_query(request, "signature");
    char signature[HEX_BYTES] = "";
    uint8_t digest[SHA256_BYTES];
    int64_t account_id = 0;
    int64_t expires_s = 0;
    if (given == NULL || strlen(given) != HEX_BYTES - 1 || strlen(package) != HEX_BYTES - 1 ||
        hex_decode(package, digest, sizeof digest) != 0 ||
        request_query_i64(request, "account", 1, INT64_MAX, &account_id, err) != 0 ||
        request_query_i64(request, "expires", 1, INT64_MAX, &expires_s, err) != 0) {
        (void)err_set(err, ERR_INVALID, "The address of the package is not complete.");
        return err_slug(err, "AccessDeniedException");
    }
    sign(request, account_id, package, expires_s, signature);
    if (!equal_constant_time(signature, given, HEX_BYTES - 1) || expires_s < clock_wall_us() / 1000000) {
        (void)err_set(err, ERR_INVALID, "The address of the package is not valid, or not any more.");
        return err_slug(err, "AccessDeniedException");
    }
    if (function_code_get(request->pg, account_id, digest, &request->reply.body, err) != 0) {
        return -1;
    }
    request->reply.status = 200;
    request->reply.content_type = "application/zip";
    request->reply.encoded = true;
    return 0;
}
