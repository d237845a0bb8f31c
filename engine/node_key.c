#include "engine/node_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/fs.h"

#define SEAL_VERSION 1
#define NONCE_BYTES 12
#define TAG_BYTES 16

static int make_key(const char *path, struct err *err)
{
    uint8_t fresh[NODE_KEY_BYTES];
    random_bytes(fresh, sizeof fresh);
    int rc = fs_write_atomic(path, fresh, sizeof fresh, 0600, err);
    OPENSSL_cleanse(fresh, sizeof fresh);
    return rc;
}

int node_key_load(const char *path, uint8_t key[NODE_KEY_BYTES], struct err *err)
{
    struct buf bytes = {0};
    struct stat found;
    int rc = -1;
    if (stat(path, &found) != 0) {
        if (errno != ENOENT) {
            return err_set(err, ERR_SYSTEM, "node key %s: %s", path, strerror(errno));
        }
        if (make_key(path, err) != 0) {
            return err_wrap(err, "make the node key");
        }
    } else if ((found.st_mode & 077) != 0) {
        return err_set(err, ERR_SYSTEM, "node key %s can be read by others: chmod 600 it", path);
    }
    if (fs_read(path, NODE_KEY_BYTES, &bytes, err) != 0) {
        goto out;
    }
    if (bytes.length != NODE_KEY_BYTES) {
        (void)err_set(err, ERR_SYSTEM, "node key %s has %zu bytes, not %d", path, bytes.length, NODE_KEY_BYTES);
        goto out;
    }
    memcpy(key, bytes.data, NODE_KEY_BYTES);
    rc = 0;
out:
    if (bytes.data != NULL) {
        OPENSSL_cleanse(bytes.data, bytes.length);
    }
    buf_free(&bytes);
    return rc;
}

int node_key_seal(const uint8_t key[NODE_KEY_BYTES], const char *aad, const void *plain, size_t length,
                  struct buf *sealed, struct err *err)
{
    uint8_t head[1 + NONCE_BYTES] = {SEAL_VERSION};
    uint8_t tag[TAG_BYTES];
    struct buf cipher = {0};
    int done = 0;
    CHECK(length <= INT32_MAX);
    random_bytes(head + 1, NONCE_BYTES);
    /* Room for the ciphertext: GCM keeps the length. */
    buf_append(&cipher, plain, length);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    CHECK(ctx != NULL);
    if (length > 0 && !buf_ok(&cipher)) {
        EVP_CIPHER_CTX_free(ctx);
        buf_free(&cipher);
        return err_set(err, ERR_SYSTEM, "seal: out of memory");
    }
    CHECK(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, head + 1) == 1);
    CHECK(EVP_EncryptUpdate(ctx, NULL, &done, (const uint8_t *)aad, (int)strlen(aad)) == 1);
    if (length > 0) {
        CHECK(EVP_EncryptUpdate(ctx, (uint8_t *)cipher.data, &done, plain, (int)length) == 1);
    }
    CHECK(EVP_EncryptFinal_ex(ctx, tag, &done) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1);
    EVP_CIPHER_CTX_free(ctx);
    buf_append(sealed, head, sizeof head);
    buf_append(sealed, cipher.data, cipher.length);
    buf_append(sealed, tag, sizeof tag);
    buf_free(&cipher);
    return buf_ok(sealed) ? 0 : err_set(err, ERR_SYSTEM, "seal: out of memory");
}

int node_key_open(const uint8_t key[NODE_KEY_BYTES], const char *aad, const void *sealed, size_t length,
                  struct buf *plain, struct err *err)
{
    const uint8_t *bytes = sealed;
    struct buf text = {0};
    int done = 0;
    if (length < 1 + NONCE_BYTES + TAG_BYTES || bytes[0] != SEAL_VERSION) {
        return err_set(err, ERR_SYSTEM, "sealed text of %zu bytes is not one of ours", length);
    }
    size_t inner = length - 1 - NONCE_BYTES - TAG_BYTES;
    uint8_t tag[TAG_BYTES];
    memcpy(tag, bytes + length - TAG_BYTES, TAG_BYTES);
    buf_append(&text, bytes + 1 + NONCE_BYTES, inner);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    CHECK(ctx != NULL);
    CHECK(EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, bytes + 1) == 1);
    CHECK(EVP_DecryptUpdate(ctx, NULL, &done, (const uint8_t *)aad, (int)strlen(aad)) == 1);
    if (inner > 0 && buf_ok(&text)) {
        CHECK(EVP_DecryptUpdate(ctx, (uint8_t *)text.data, &done, bytes + 1 + NONCE_BYTES, (int)inner) == 1);
    }
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1);
    uint8_t rest[16];
    bool genuine = EVP_DecryptFinal_ex(ctx, rest, &done) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (genuine) {
        buf_append(plain, text.data, text.length);
    }
    if (text.data != NULL) {
        OPENSSL_cleanse(text.data, text.length);
    }
    buf_free(&text);
    if (!genuine) {
        return err_set(err, ERR_SYSTEM, "sealed text does not open with this node's key (%s)", aad);
    }
    return buf_ok(plain) ? 0 : err_set(err, ERR_SYSTEM, "open sealed text: out of memory");
}
