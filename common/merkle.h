/*
 * merkle.h - Merkle trees as RFC 9162 (Certificate Transparency) section 2.1 defines them, over SHA-256.
 *
 * Why:       one 32-byte root stands for any number of records; a path of at most 64 hashes proves that one of them is
 *            under it. A leaf is hashed with 0x00 before it and a node with 0x01, so neither can pass for the other.
 * Memory:    a root is computed in constant memory; a path needs the leaf hashes in an array.
 * Ownership: plain values, the caller's arrays.      Threads: any.
 */
#ifndef FARTHING_COMMON_MERKLE_H
#define FARTHING_COMMON_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"

#define MERKLE_PATH_MAX 64

struct merkle_hash {
    uint8_t bytes[SHA256_BYTES];
};

/* A tree that grows leaf by leaf: the roots of its complete subtrees, one for each bit set in count. */
struct merkle {
    uint64_t count;
    struct merkle_hash peaks[MERKLE_PATH_MAX];
};

/* {0} is an empty tree; its root is the hash of nothing. */
void merkle_add(struct merkle *tree, const struct merkle_hash *leaf);
struct merkle_hash merkle_root(const struct merkle *tree);

/* SHA-256(0x00, bytes). */
struct merkle_hash merkle_leaf(const void *bytes, size_t length);

struct merkle_path {
    uint64_t index; /* of the leaf, from 0 */
    uint64_t count; /* leaves of the tree */
    int length;
    struct merkle_hash hashes[MERKLE_PATH_MAX]; /* from the leaf up */
};

/* The path of one leaf; index must be below count. */
void merkle_path_of(const struct merkle_hash *leaves, uint64_t count, uint64_t index, struct merkle_path *path);

/* The root that leaf and path lead to. -1: the path has not the length that a leaf at this index of so many has. */
int merkle_path_root(const struct merkle_path *path, const struct merkle_hash *leaf, struct merkle_hash *root);

#endif
