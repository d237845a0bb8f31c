/*
 * Goal:   the trees are those of RFC 9162, section 2.1.
 * Method: the roots and paths of the test vectors used by Certificate Transparency; a second, recursive definition as
 *         oracle for every size up to 130; each path leads to the root, and any changed bit, index or length does not.
 */
#include "common/merkle.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define LEAVES 130

/* The inputs that Certificate Transparency implementations test with. */
static const char *const INPUTS[8] = {
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
static const char *const ROOTS[9] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static void published_leaf(int i, struct merkle_hash *leaf)
{
    uint8_t bytes[16];
    size_t length = strlen(INPUTS[i]) / 2;
    ck_assert_int_eq(hex_decode(INPUTS[i], bytes, length), 0);
    *leaf = merkle_leaf(bytes, length);
}

START_TEST(roots_are_the_published_ones)
{
    struct merkle tree = {0};
    for (int count = 0; count <= 8; count++) {
        char hex[SHA256_HEX_BYTES];
        struct merkle_hash root = merkle_root(&tree);
        hex_encode(root.bytes, sizeof root.bytes, hex);
        ck_assert_str_eq(hex, ROOTS[count]);
        if (count < 8) {
            struct merkle_hash leaf;
            published_leaf(count, &leaf);
            merkle_add(&tree, &leaf);
        }
    }
}
END_TEST

START_TEST(long_leaves_are_hashed_alike)
{
    char bytes[2000];
    memset(bytes, 'x', sizeof bytes);
    for (size_t length = 500; length < 524; length++) {
        uint8_t prefixed[2001] = {0};
        uint8_t digest[SHA256_BYTES];
        memcpy(prefixed + 1, bytes, length);
        sha256(prefixed, length + 1, digest);
        struct merkle_hash leaf = merkle_leaf(bytes, length);
        ck_assert_mem_eq(leaf.bytes, digest, sizeof digest);
    }
}
END_TEST

static struct merkle_hash oracle(const struct merkle_hash *leaves, size_t count)
{
    if (count == 1) {
        return leaves[0];
    }
    size_t left = 1;
    while (left * 2 < count) {
        left *= 2;
    }
    struct merkle_hash children[2] = {oracle(leaves, left), oracle(leaves + left, count - left)};
    uint8_t bytes[1 + sizeof children] = {0x01};
    struct merkle_hash hash;
    memcpy(bytes + 1, children, sizeof children);
    sha256(bytes, sizeof bytes, hash.bytes);
    return hash;
}

static void fill(struct merkle_hash leaves[LEAVES])
{
    for (int i = 0; i < LEAVES; i++) {
        leaves[i] = merkle_leaf(&i, sizeof i);
    }
}

START_TEST(every_path_leads_to_the_root)
{
    struct merkle_hash leaves[LEAVES];
    struct merkle tree = {0};
    fill(leaves);
    for (uint64_t count = 1; count <= LEAVES; count++) {
        merkle_add(&tree, &leaves[count - 1]);
        struct merkle_hash root = merkle_root(&tree);
        struct merkle_hash expected = oracle(leaves, count);
        ck_assert_mem_eq(root.bytes, expected.bytes, SHA256_BYTES);
        for (uint64_t index = 0; index < count; index++) {
            struct merkle_path path;
            struct merkle_hash reached;
            merkle_path_of(leaves, count, index, &path);
            ck_assert_int_eq(merkle_path_root(&path, &leaves[index], &reached), 0);
            ck_assert_mem_eq(reached.bytes, root.bytes, SHA256_BYTES);
        }
    }
}
END_TEST

static bool proves(const struct merkle_path *path, const struct merkle_hash *leaf, const struct merkle_hash *root)
{
    struct merkle_hash reached;
    return merkle_path_root(path, leaf, &reached) == 0 && memcmp(&reached, root, sizeof reached) == 0;
}

START_TEST(a_changed_path_proves_nothing)
{
    struct merkle_hash leaves[LEAVES];
    fill(leaves);
    struct merkle_hash root = oracle(leaves, 100);
    struct merkle_path path;
    merkle_path_of(leaves, 100, 37, &path);
    ck_assert(proves(&path, &leaves[37], &root));
    ck_assert(!proves(&path, &leaves[38], &root));
    for (int i = 0; i < path.length; i++) {
        struct merkle_path changed = path;
        changed.hashes[i].bytes[i] ^= 1;
        ck_assert(!proves(&changed, &leaves[37], &root));
    }
    struct merkle_path other = path;
    other.index = 36;
    ck_assert(!proves(&other, &leaves[37], &root));
    other = path;
    other.length--;
    ck_assert(!proves(&other, &leaves[37], &root));
    other = path;
    other.length++;
    ck_assert(!proves(&other, &leaves[37], &root));
    other = path;
    other.index = 100;
    ck_assert(!proves(&other, &leaves[37], &root));
    other = path;
    other.count = 0;
    ck_assert(!proves(&other, &leaves[37], &root));
    other = path;
    other.length = MERKLE_PATH_MAX + 1;
    ck_assert(!proves(&other, &leaves[37], &root));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("merkle");
    TCase *tc = tcase_create("merkle");
    tcase_add_test(tc, roots_are_the_published_ones);
    tcase_add_test(tc, long_leaves_are_hashed_alike);
    tcase_add_test(tc, every_path_leads_to_the_root);
    tcase_add_test(tc, a_changed_path_proves_nothing);
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
