/*
 * function.h - what a function is: its settings, their limits, and where it is kept.
 *
 * Units:     *_mib MiB, *_s seconds, *_bytes bytes. Limits are Lambda's.
 * Ownership: struct function is a plain value without pointers; environment and code travel apart.
 * Threads:   one struct pg a thread.
 */
#ifndef FARTHING_ENGINE_FUNCTION_H
#define FARTHING_ENGINE_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/uuid.h"

struct buf;
struct err;
struct pg;

#define FUNCTION_MEMORY_MIB_MIN 128
#define FUNCTION_MEMORY_MIB_MAX 10240
#define FUNCTION_TIMEOUT_S_MAX 900
#define FUNCTION_EPHEMERAL_MIB_MIN 512
#define FUNCTION_EPHEMERAL_MIB_MAX 10240
#define FUNCTION_ENVIRONMENT_BYTES_MAX 4096
#define FUNCTION_ZIP_BYTES_MAX (50 * 1024 * 1024)
#define FUNCTION_UNZIPPED_BYTES_MAX (250 * 1024 * 1024)
#define FUNCTION_VERSION_LATEST 0
#define FUNCTION_LAYERS_MAX 5
#define LAYER_NAME_BYTES 141

enum function_arch { ARCH_X86_64, ARCH_ARM64 };
enum function_network { NETWORK_NONE, NETWORK_HOST };

/* A layer as a function has it: what it needs of it stays with the function when the layer is deleted. */
struct function_layer {
    char name[LAYER_NAME_BYTES];
    int version; /* in a change: 0 is the newest */
    uint8_t sha256[SHA256_BYTES];
    int64_t bytes, unzipped_bytes;
};

struct function {
    int64_t account_id;
    int64_t function_id;
    char name[65];
    int version;      /* 0 is $LATEST */
    char runtime[32]; /* "provided", "nodejs", "python", or "nodejs20.x", "provided.al2023", ... */
    char handler[129];
    enum function_arch arch;
    int memory_mib;
    int timeout_s;
    int ephemeral_mib;
    enum function_network network;
    char description[257];
    char role[257];
    uint8_t code_sha256[SHA256_BYTES];
    int64_t code_bytes;
    int layer_count;
    struct function_layer layers[FUNCTION_LAYERS_MAX]; /* in order; later ones win */
    int provisioned;                                   /* instances kept ready */
    int reserved_concurrency;                          /* -1: none */
    struct uuid revision;
    int64_t modified_us;
    int64_t created_us;
};

/* Ranges and words of every setting; the error names the field ("/memory_mb"). */
int function_check(const struct function *function, struct err *err);

/* ---- packages (engine/code.c, engine/code_pack.c) ---- */

/* A zip is well-formed, within limits, without absolute paths, "..", links, devices or duplicate names; or ERR_INVALID
 * naming the entry (field "/code"). */
int code_check(const void *zip, size_t length, struct err *err);
/* The same, and how large its files are. */
int code_measure(const void *zip, size_t length, int64_t *unzipped_bytes, struct err *err);
/* Pack a directory deterministically (sorted, fixed times): the same files give the same zip. */
int code_pack_dir(const char *dir, struct buf *zip, struct err *err);
/* Unpack into dir (made), read-only for everybody; atomically: dir is complete or absent. */
int code_unpack(const void *zip, size_t length, const char *dir, struct err *err);
/* Several into one dir, whole as above: where two have the same path, the later one wins. fetch gives package at. */
typedef int code_fetch_fn(void *ctx, int at, struct buf *zip, struct err *err);
int code_unpack_over(code_fetch_fn *fetch, void *ctx, int count, const char *dir, struct err *err);

/* ---- store (engine/function_store.c): every write checks account limits functions, memory_mb, code_bytes ---- */

struct function_change {
    /* NULL or negative: unchanged (on create: default) */
    const char *runtime, *handler, *description, *role;
    const char *environment_json; /* flat object of strings */
    const char *tags_json;        /* flat object of strings */
    const void *zip;
    size_t zip_length;
    int memory_mib, timeout_s, ephemeral_mib, arch, network;
    bool relayer; /* its layers become these: name and version are read */
    const struct function_layer *layers;
    int layer_count;
    const char *layer_prefix; /* what stands before NAME:VERSION in errors; NULL: nothing */
    bool reserve;             /* its reserved concurrency becomes this; -1: none */
    int reserved;
    const char *expected_revision; /* NULL: any; otherwise ERR_CONFLICT when it differs (slug "precondition_failed") */
    bool dry_run;                  /* function_update: everything is checked, nothing is changed */
};

int function_create(struct pg *pg, int64_t account_id, const char *name, const struct function_change *change,
                    struct function *function, struct err *err);
int function_update(struct pg *pg, int64_t account_id, const char *name, const struct function_change *change,
                    struct function *function, struct err *err);
/* qualifier: NULL, "", "$LATEST", a number or an alias. ERR_NOT_FOUND otherwise. Weighted aliases: see
 * function_resolve. */
int function_get(struct pg *pg, int64_t account_id, const char *name, const char *qualifier, struct function *function,
                 struct err *err);
/* ERR_CONFLICT while an alias points to that version. */
int function_delete(struct pg *pg, int64_t account_id, const char *name, const char *qualifier, struct err *err);
int function_publish(struct pg *pg, int64_t account_id, const char *name, const char *description,
                     struct function *version, struct err *err);
/* As function_publish, but only $LATEST with this revision (as function_change.expected_revision) and this package
 * (base64 of its SHA-256; ERR_INVALID naming "/code_sha256" when it is another); NULL: any. */
int function_publish_if(struct pg *pg, int64_t account_id, const char *name, const char *description,
                        const char *expected_revision, const char *expected_sha256, struct function *version,
                        struct err *err);
typedef int function_row_fn(const struct function *function, const char *tags_json, void *ctx, struct err *err);
/* In order of name (then version when all_versions), those after this version of this name; after_version INT32_MAX:
 * after all versions of that name. */
int function_list(struct pg *pg, int64_t account_id, bool all_versions, const char *after_name, int after_version,
                  int limit, function_row_fn *on_row, void *ctx, struct err *err);
int function_list_versions(struct pg *pg, int64_t account_id, const char *name, function_row_fn *on_row, void *ctx,
                           struct err *err);
int function_tags_get(struct pg *pg, int64_t account_id, const char *name, struct buf *tags_json, struct err *err);
int function_environment_get(struct pg *pg, int64_t account_id, const char *name, int version, struct buf *json,
                             struct err *err);
int function_code_get(struct pg *pg, int64_t account_id, const uint8_t sha256[SHA256_BYTES], struct buf *zip,
                      struct err *err);
/* -1 removes the reservation. */
int function_set_reserved(struct pg *pg, int64_t account_id, const char *name, int reserved, struct err *err);
/* Every version with provisioned concurrency, of all accounts; visit returns -1 to stop. */
typedef int function_provisioned_fn(int64_t account_id, const char *name, int version, void *ctx);
int function_each_provisioned(struct pg *pg, function_provisioned_fn *visit, void *ctx, struct err *err);
struct function_provisioned {
    int64_t function_id;
    int version, instances;
    int64_t since_us;
};
/* Of one function, by version; version < 0: all of them. */
typedef int function_config_fn(const struct function_provisioned *config, void *ctx);
int function_list_provisioned(struct pg *pg, int64_t account_id, int64_t function_id, int version,
                              function_config_fn *visit, void *ctx, struct err *err);
int function_set_provisioned(struct pg *pg, int64_t account_id, const char *name, const char *qualifier,
                             int provisioned, struct err *err);

struct function_alias {
    char name[129];
    int version;
    int second_version; /* -1: none */
    int second_weight_ppm;
    char description[257];
    struct uuid revision;
};
int alias_put(struct pg *pg, int64_t account_id, const char *function, const struct function_alias *alias, bool create,
              const char *expected_revision, struct function_alias *stored, struct err *err);
int alias_get(struct pg *pg, int64_t account_id, const char *function, const char *name, struct function_alias *alias,
              struct err *err);
int alias_delete(struct pg *pg, int64_t account_id, const char *function, const char *name, struct err *err);
typedef int alias_row_fn(const struct function_alias *alias, void *ctx, struct err *err);
int alias_list(struct pg *pg, int64_t account_id, const char *function, alias_row_fn *on_row, void *ctx,
               struct err *err);

#endif
