/*
 * meter.h - memory and CPU of an instance as the kernel counts them: cgroup v2, cgroup v1, or /proc.
 *
 * Why:       nothing a function prints or posts can change what it is billed for; its peak is reset for each
 * invocation. Units:     *_kib KiB, *_us microseconds of CPU. Where:     memory/farthing/<node>/<instance> (v1, with
 * cpuacct and pids where writable), farthing/<node>/<instance> below the node's own group (v2). Where neither is
 * writable: /proc of the instance's processes; memory then is held by RLIMIT_DATA per process and by meter_over().
 * Threads:   one at a time a meter.
 */
#ifndef FARTHING_ENGINE_METER_H
#define FARTHING_ENGINE_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct meter;
struct meter_site;

/* Find out what is there and make the node's folders. Never fails for want of cgroups: then it is /proc. */
/* name: of the folder below <controller>/farthing, at most 20 characters, this node's alone on the machine. */
int meter_site_open(const char *name, struct meter_site **site, struct err *err);
void meter_site_close(struct meter_site **site);
const char *meter_site_source(const struct meter_site *site); /* "cgroup2", "cgroup1", "proc" */

/* A new group with its limits set. */
int meter_new(const struct meter_site *site, uint64_t instance, int memory_mib, struct meter **meter, struct err *err);
/* Needs the processes gone (it waits a little for the kernel to say so). */
void meter_free(struct meter **meter);

/* In the child, between fork and exec. */
void meter_join(const struct meter *meter);
/* In the parent: the process all others descend from. */
void meter_attach(struct meter *meter, pid_t pid);
/* RLIMIT_DATA that stands in for a memory limit; 0 where the cgroup holds it. */
uint64_t meter_data_bytes_max(const struct meter *meter, int memory_mib);

/* An invocation begins: forget the peak. */
void meter_begin(struct meter *meter);
/* It ends: peak since begin, CPU since begin. Calls that follow each other within 10 ms share a reading: what the
 * runtime does between them is the next one's. */
void meter_end(struct meter *meter, uint32_t *peak_kib, uint64_t *cpu_us);
/* The kernel killed something in it for want of memory since it started, or (proc) it is over its limit now. */
bool meter_out_of_memory(struct meter *meter);
/* Kill whatever is in it, where the kernel offers that. NULL-safe. */
void meter_kill(const struct meter *meter);

#endif
