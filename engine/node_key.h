/*
 * node_key.h - the node's own key and sealing of secrets at rest (AES-256-GCM, libcrypto).
 *
 * The key file is <data-dir>/node.key (0600, 32 random bytes, made on first start); nodes that share a database share
 * the file. Sealed text: 1 byte version, 12 bytes nonce, ciphertext, 16 bytes tag. aad binds it to its row.
 */
#ifndef FARTHING_ENGINE_NODE_KEY_H
#define FARTHING_ENGINE_NODE_KEY_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define NODE_KEY_BYTES 32

int node_key_load(const char *path, uint8_t key[NODE_KEY_BYTES], struct err *err);
int node_key_seal(const uint8_t key[NODE_KEY_BYTES], const char *aad, const void *plain, size_t length,
                  struct buf *sealed, struct err *err);
int node_key_open(const uint8_t key[NODE_KEY_BYTES], const char *aad, const void *sealed, size_t length,
                  struct buf *plain, struct err *err);

#endif
