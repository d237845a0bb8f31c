/*
 * layer.h - layers: packages that functions share, unpacked below /opt of their instances.
 *
 * Why:       what many functions need is uploaded and stored once. A version never changes; a function keeps by itself
 * what it needs of the versions it uses (function.h), so deleting one takes nothing away from it.
 * Ownership: plain values. Threads: one struct pg a thread.
 */
#ifndef FARTHING_ENGINE_LAYER_H
#define FARTHING_ENGINE_LAYER_H

#include "engine/function.h"

#define LAYER_LICENSE_BYTES 513
#define LAYER_WORDS_BYTES 1024
#define LAYER_RUNTIMES_MAX 15
#define LAYER_ARCHITECTURES_MAX 2

struct layer_version {
    int64_t account_id;
    char name[LAYER_NAME_BYTES];
    int version;
    char description[257];
    char license[LAYER_LICENSE_BYTES];
    char runtimes_json[LAYER_WORDS_BYTES]; /* what it is meant for; arrays of words */
    char architectures_json[64];
    uint8_t sha256[SHA256_BYTES];
    int64_t bytes, unzipped_bytes;
    int64_t created_us;
};

struct layer_change {
    const char *description, *license;              /* NULL: empty */
    const char *runtimes_json, *architectures_json; /* NULL: none said */
    const void *zip;
    size_t zip_length;
};

/* 1 to 140 of [A-Za-z0-9_-]. */
int layer_name_check(const char *name, const char *field, struct err *err);
/* "NAME" or "NAME:VERSION" into name and version (0: the newest). */
int layer_word_read(const char *word, const char *field, struct function_layer *layer, struct err *err);

/* The next version of the layer; its first one makes it. Counts against the account's code_bytes. */
int layer_publish(struct pg *pg, int64_t account_id, const char *name, const struct layer_change *change,
                  struct layer_version *version, struct err *err);
/* number 0: the newest. ERR_NOT_FOUND. */
int layer_get(struct pg *pg, int64_t account_id, const char *name, int number, struct layer_version *version,
              struct err *err);
struct layer_filter {
    const char *runtime, *architecture; /* only versions that say so; NULL: any */
};
typedef int layer_version_fn(const struct layer_version *version, void *ctx, struct err *err);
/* The newest version (of those that pass the filter) of each layer, by name, those after this name. */
int layer_list(struct pg *pg, int64_t account_id, const struct layer_filter *filter, const char *after_name, int limit,
               layer_version_fn *on_row, void *ctx, struct err *err);
/* Newest first, those before this one (INT32_MAX: all). A layer nobody has is an empty list. */
int layer_list_versions(struct pg *pg, int64_t account_id, const char *name, const struct layer_filter *filter,
                        int before, int limit, layer_version_fn *on_row, void *ctx, struct err *err);
/* ERR_NOT_FOUND when it is not there. Functions that use it go on. */
int layer_delete(struct pg *pg, int64_t account_id, const char *name, int number, struct err *err);

#endif
