/*
 * functions.h - what functions.c, invocations.c and the Lambda routes share.
 */
#ifndef FARTHING_API_FUNCTIONS_H
#define FARTHING_API_FUNCTIONS_H

struct engine;
struct err;
struct function;
struct json_writer;
struct request;

void function_members(struct json_writer *writer, const struct request *request, const struct function *function,
                      const char *tags_json);
void function_version_text(int version, char text[16]); /* "$LATEST" or the number */

#endif
