/*
 * function_store.h - the key that seals environments of functions at rest; the rest of the store's contract is
 * function.h.
 */
#ifndef FARTHING_ENGINE_FUNCTION_STORE_H
#define FARTHING_ENGINE_FUNCTION_STORE_H

#include <stdint.h>

/* Set once at start, before functions are read or written (engine_open does it): one process has one key. Without it
 * functions with an environment cannot be stored or read. */
void function_store_key_set(const uint8_t key[32]);

#endif
