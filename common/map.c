#include "common/map.h"

#include "common/check.h"
#include "common/digest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAP_FIRST_SLOTS 16

struct slot {
    uint64_t hash;
    unsigned char *key; /* NULL: free */
    size_t key_length;
    void *value; /* NULL with a key: removed, the probe goes on behind it */
};

struct map {
    struct slot *slots;
    size_t slot_count; /* a power of two */
    size_t used;       /* slots with a key, removed ones too */
    size_t live;
    uint64_t seed[2];
};

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void round_sip(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3: keyed, so that nobody outside can choose collisions. */
static uint64_t hash_of(const struct map *map, const unsigned char *bytes, size_t length)
{
    uint64_t v[4] = {map->seed[0] ^ UINT64_C(0x736f6d6570736575), map->seed[1] ^ UINT64_C(0x646f72616e646f6d),
                     map->seed[0] ^ UINT64_C(0x6c7967656e657261), map->seed[1] ^ UINT64_C(0x7465646279746573)};
    size_t whole = length / 8 * 8;
    uint64_t word;
    for (size_t i = 0; i < whole; i += 8) {
        memcpy(&word, bytes + i, sizeof word);
        v[3] ^= word;
        round_sip(v);
        v[0] ^= word;
    }
    word = (uint64_t)length << 56;
    if (length > whole) {
        memcpy(&word, bytes + whole, length - whole);
        word |= (uint64_t)length << 56;
    }
    v[3] ^= word;
    round_sip(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    round_sip(v);
    round_sip(v);
    round_sip(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *map_new(void)
{
    struct map *map = calloc(1, sizeof *map);
    if (map == NULL) {
        return NULL;
    }
    map->slots = calloc(MAP_FIRST_SLOTS, sizeof *map->slots);
    if (map->slots == NULL) {
        free(map);
        return NULL;
    }
    map->slot_count = MAP_FIRST_SLOTS;
    random_bytes(map->seed, sizeof map->seed);
    return map;
}

void map_free(struct map **map)
{
    if (map == NULL || *map == NULL) {
        return;
    }
    for (size_t i = 0; i < (*map)->slot_count; i++) {
        free((*map)->slots[i].key);
    }
    free((*map)->slots);
    free(*map);
    *map = NULL;
}

/* The live slot of the key, or NULL. */
static struct slot *find(const struct map *map, uint64_t hash, const void *key, size_t key_length)
{
    size_t mask = map->slot_count - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct slot *slot = &map->slots[i];
        if (slot->key == NULL) {
            return NULL;
        }
        if (slot->value != NULL && slot->hash == hash && slot->key_length == key_length &&
            memcmp(slot->key, key, key_length) == 0) {
            return slot;
        }
    }
}

void *map_get(const struct map *map, const void *key, size_t key_length)
{
    struct slot *slot = find(map, hash_of(map, key, key_length), key, key_length);
    return slot != NULL ? slot->value : NULL;
}

static struct slot *first_free(struct slot *slots, size_t slot_count, uint64_t hash)
{
    size_t i = hash & (slot_count - 1);
    while (slots[i].key != NULL) {
        i = (i + 1) & (slot_count - 1);
    }
    return &slots[i];
}

/* Makes room so that a probe always ends: at most three quarters of the slots have a key. */
static int make_room(struct map *map)
{
    if ((map->used + 1) * 4 <= map->slot_count * 3) {
        return 0;
    }
    size_t slot_count = map->live * 2 >= map->slot_count ? map->slot_count * 2 : map->slot_count;
    struct slot *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL) {
        return -1;
    }
    for (size_t i = 0; i < map->slot_count; i++) {
        if (map->slots[i].value != NULL) {
            *first_free(slots, slot_count, map->slots[i].hash) = map->slots[i];
        } else {
            free(map->slots[i].key);
        }
    }
    free(map->slots);
    map->slots = slots;
    map->slot_count = slot_count;
    map->used = map->live;
    return 0;
}

int map_put(struct map *map, const void *key, size_t key_length, void *value)
{
    CHECK(value != NULL);
    uint64_t hash = hash_of(map, key, key_length);
    struct slot *slot = find(map, hash, key, key_length);
    if (slot != NULL) {
        slot->value = value;
        return 0;
    }
    if (make_room(map) != 0) {
        return -1;
    }
    unsigned char *copy = malloc(key_length + 1);
    if (copy == NULL) {
        return -1;
    }
    if (key_length > 0) {
        memcpy(copy, key, key_length);
    }
    copy[key_length] = '\0';
    slot = first_free(map->slots, map->slot_count, hash);
    *slot = (struct slot){.hash = hash, .key = copy, .key_length = key_length, .value = value};
    map->used++;
    map->live++;
    return 0;
}

void *map_remove(struct map *map, const void *key, size_t key_length)
{
    struct slot *slot = find(map, hash_of(map, key, key_length), key, key_length);
    if (slot == NULL) {
        return NULL;
    }
    void *value = slot->value;
    slot->value = NULL;
    map->live--;
    return value;
}

size_t map_count(const struct map *map)
{
    return map->live;
}

void map_each(const struct map *map, void (*visit)(const void *key, size_t key_length, void *value, void *ctx),
              void *ctx)
{
    for (size_t i = 0; i < map->slot_count; i++) {
        if (map->slots[i].value != NULL) {
            visit(map->slots[i].key, map->slots[i].key_length, map->slots[i].value, ctx);
        }
    }
}
