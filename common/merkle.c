#include "common/merkle.h"

#include "common/check.h"

#include <stdbool.h>
#include <string.h>

static struct merkle_hash node(const struct merkle_hash *left, const struct merkle_hash *right)
{
    uint8_t bytes[1 + 2 * SHA256_BYTES] = {0x01};
    struct merkle_hash hash;
    memcpy(bytes + 1, left->bytes, SHA256_BYTES);
    memcpy(bytes + 1 + SHA256_BYTES, right->bytes, SHA256_BYTES);
    sha256(bytes, sizeof bytes, hash.bytes);
    return hash;
}

struct merkle_hash merkle_leaf(const void *bytes, size_t length)
{
    struct merkle_hash hash;
    uint8_t small[512] = {0x00};
    if (length < sizeof small) {
        memcpy(small + 1, bytes, length);
        sha256(small, length + 1, hash.bytes);
        return hash;
    }
    struct sha256 *state = sha256_new();
    sha256_update(state, small, 1);
    sha256_update(state, bytes, length);
    sha256_end(&state, hash.bytes);
    return hash;
}

void merkle_add(struct merkle *tree, const struct merkle_hash *leaf)
{
    struct merkle_hash hash = *leaf;
    int level = 0;
    /* As a binary counter carries: two complete subtrees of one size become one of twice the size. */
    for (; (tree->count >> level & 1) != 0; level++) {
        hash = node(&tree->peaks[level], &hash);
    }
    tree->peaks[level] = hash;
    tree->count++;
    CHECK(tree->count != 0);
}

struct merkle_hash merkle_root(const struct merkle *tree)
{
    struct merkle_hash root;
    bool any = false;
    for (int level = 0; level < MERKLE_PATH_MAX; level++) {
        if ((tree->count >> level & 1) != 0) {
            root = any ? node(&tree->peaks[level], &root) : tree->peaks[level];
            any = true;
        }
    }
    if (!any) {
        sha256("", 0, root.bytes);
    }
    return root;
}

static struct merkle_hash root_of(const struct merkle_hash *leaves, uint64_t count)
{
    struct merkle tree = {0};
    for (uint64_t i = 0; i < count; i++) {
        merkle_add(&tree, &leaves[i]);
    }
    return merkle_root(&tree);
}

/* The largest power of two below count, which is at least 2. */
static uint64_t split(uint64_t count)
{
    return UINT64_C(1) << (63 - __builtin_clzll(count - 1));
}

void merkle_path_of(const struct merkle_hash *leaves, uint64_t count, uint64_t index, struct merkle_path *path)
{
    CHECK(index < count);
    path->index = index;
    path->count = count;
    path->length = 0;
    while (count > 1) {
        uint64_t left = split(count);
        struct merkle_hash *other = &path->hashes[path->length++];
        if (index < left) {
            *other = root_of(leaves + left, count - left);
            count = left;
        } else {
            *other = root_of(leaves, left);
            leaves += left;
            index -= left;
            count -= left;
        }
    }
    for (int i = 0, k = path->length - 1; i < k; i++, k--) { /* it was found from the root down */
        struct merkle_hash swapped = path->hashes[i];
        path->hashes[i] = path->hashes[k];
        path->hashes[k] = swapped;
    }
}

int merkle_path_root(const struct merkle_path *path, const struct merkle_hash *leaf, struct merkle_hash *root)
{
    uint64_t index = path->index;
    uint64_t last = path->count - 1;
    *root = *leaf;
    if (path->index >= path->count || path->length < 0 || path->length > MERKLE_PATH_MAX) {
        return -1;
    }
    for (int i = 0; i < path->length; i++) {
        if (last == 0) {
            return -1;
        }
        if ((index & 1) != 0 || index == last) {
            *root = node(&path->hashes[i], root);
            /* Where the tree has no right neighbour, the subtree moves up as it is. */
            while ((index & 1) == 0 && index != 0) {
                index >>= 1;
                last >>= 1;
            }
        } else {
            *root = node(root, &path->hashes[i]);
        }
        index >>= 1;
        last >>= 1;
    }
    return last == 0 ? 0 : -1;
}
