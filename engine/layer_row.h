/*
 * layer_row.h - the layers of a function as its row holds them; for the *_store.c files of functions only.
 */
#ifndef FARTHING_ENGINE_LAYER_ROW_H
#define FARTHING_ENGINE_LAYER_ROW_H

#include "engine/function.h"

int layer_row_read(const char *json, struct function *function, struct err *err);
void layer_row_write(const struct function *function, struct buf *json);
/* The layers a change names become the function's; each is there until the transaction ends. */
int layer_row_attach(struct pg *pg, const struct function_change *change, struct function *function, struct err *err);

#endif
