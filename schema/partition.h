/*
 * partition.h - day partitions of usage_record (functions of schema/migrations/0006_partitions.sql).
 *
 * Why:     the program's role may write rows but not make tables; these are the three things it may ask for.
 * Units:   *_us microseconds since 1970, UTC; a day is the UTC day that contains it. Threads: one a struct pg.
 * Racing:  two nodes that want the same day both succeed; one makes it. Writers are never blocked by partition_ensure.
 */
#ifndef FARTHING_SCHEMA_PARTITION_H
#define FARTHING_SCHEMA_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pg;

#define PARTITION_DAYS_MAX 400

/* Make what is missing for [from_us, to_us). Inside or outside a transaction. More than PARTITION_DAYS_MAX days or a
 * time before 1970 is ERR_INVALID. */
int partition_ensure(struct pg *pg, int64_t from_us, int64_t to_us, struct err *err);

/* Unique and lookup indexes for a day that is complete. ERR_CONFLICT: an invocation (account, request id, attempt) is
 * there twice. *made is false when they were there already, or the day has no partition. */
int partition_close(struct pg *pg, int64_t day_us, bool *made, struct err *err);

/* Forget the raw records of a day; *dropped is false when there were none. Waits for readers and writers of
 * usage_record. */
int partition_drop(struct pg *pg, int64_t day_us, bool *dropped, struct err *err);

#endif
