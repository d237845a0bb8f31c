/*
 * check.h - invariants that stay on in every build.
 *
 * Why: a broken invariant in a meter or a bill must stop the program, not produce a number. For input, disk and
 *      database faults use struct err; CHECK is for what only a defect of this program can cause.
 */
#ifndef FARTHING_COMMON_CHECK_H
#define FARTHING_COMMON_CHECK_H

/* Writes one JSON line with the place and the condition to stderr and aborts. */
_Noreturn void check_failed(const char *file, int line, const char *condition);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#endif
