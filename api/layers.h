/*
 * layers.h - what the REST view and the Lambda view of layers share.
 */
#ifndef FARTHING_API_LAYERS_H
#define FARTHING_API_LAYERS_H

#include <stddef.h>

#include "common/json.h"
#include "engine/layer.h"

/* One more than a function may have: that it is too many, the store says. */
#define LAYERS_READ_MAX (FUNCTION_LAYERS_MAX + 1)

/* An array of at most so many words of letters, digits, '.', '_' and '-' as JSON text ("" when array is NULL). -1: it
 * is something else. */
int layer_words_text(const cJSON *array, int most, char *text, size_t room);
/* The layers a function is to have: member "layers", words NAME or NAME:VERSION. Left alone when it is not there. */
int layer_input_read(const cJSON *tree, struct function_layer layers[LAYERS_READ_MAX], struct function_change *change,
                     struct err *err);
/* The same from a word with commas; NULL: not there. */
int layer_input_words(const char *words, struct function_layer layers[LAYERS_READ_MAX], struct function_change *change,
                      struct err *err);
/* Member "layers" of a function. */
void layer_function_member(struct json_writer *writer, const struct function *function);

#endif
