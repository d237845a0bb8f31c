/*
 * fault_disk.h - small disks that fill up: tmpfs in a mount namespace of this process and its children.
 *
 * How: as root in a mount namespace of its own; as anyone else in a user namespace of its own, where the machine allows
 *      that. Nobody else sees these mounts, and they end with the last process of the test.
 */
#ifndef FARTHING_TESTS_FAULT_DISK_H
#define FARTHING_TESTS_FAULT_DISK_H

#include <stdbool.h>

/* Before any thread or child is made. False: not possible on this machine, *why says why. */
bool fault_disk_prepare(const char **why);
/* A new disk on folder path. */
void fault_disk_mount(const char *path, unsigned mib);
/* No room but what is in use and spare_kib, from now on. */
void fault_disk_fill(const char *path, unsigned spare_kib);
/* Room again. */
void fault_disk_grow(const char *path, unsigned mib);
void fault_disk_unmount(const char *path);

#endif
