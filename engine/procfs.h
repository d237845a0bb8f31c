/*
 * procfs.h - memory and CPU of a process and all its descendants, from /proc.
 *
 * Why:   where no cgroup is writable this is what an ordinary user can measure. Costs a walk; a process that came and
 * went between two looks is seen only through its parent's waited-for CPU. Units: KiB, microseconds. 0 when it cannot
 * be told. Threads: any.
 */
#ifndef FARTHING_ENGINE_PROCFS_H
#define FARTHING_ENGINE_PROCFS_H

#include <stdint.h>
#include <sys/types.h>

void procfs_reset_peak(pid_t root);
uint64_t procfs_peak_kib(pid_t root); /* sum of the processes' high-water marks */
uint64_t procfs_rss_kib(pid_t root);
uint64_t procfs_cpu_us(pid_t root);

#endif
