/*
 * map.h - a hash map from byte strings to pointers (open addressing, grows, never shrinks).
 *
 * Ownership: keys are copied; values are borrowed (the owner frees them, see map_each). Threads: one at a time.
 * Hash:      keyed per process with random bytes, so tenants cannot choose collisions.
 */
#ifndef FARTHING_COMMON_MAP_H
#define FARTHING_COMMON_MAP_H

#include <stddef.h>

struct map;

struct map *map_new(void); /* NULL when out of memory */
void map_free(struct map **map);
/* NULL when absent. */
void *map_get(const struct map *map, const void *key, size_t key_length);
/* Replaces; value must not be NULL. -1 when out of memory (the map is unchanged). */
int map_put(struct map *map, const void *key, size_t key_length, void *value);
/* Returns the value removed, or NULL. */
void *map_remove(struct map *map, const void *key, size_t key_length);
size_t map_count(const struct map *map);
/* visit may not change the map. */
void map_each(const struct map *map, void (*visit)(const void *key, size_t key_length, void *value, void *ctx),
              void *ctx);

#endif
