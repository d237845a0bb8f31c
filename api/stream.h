/*
 * stream.h - bodies that grow while they are read (followed logs): one ticker wakes all that wait.
 *
 * Why:       a follower costs no thread: its connection is suspended between looks.
 * Threads:   streams_* from any thread; the callbacks of one stream run on the HTTP thread of its connection.
 */
#ifndef FARTHING_API_STREAM_H
#define FARTHING_API_STREAM_H

struct MHD_Response;
struct err;
struct request;
struct streams;

int streams_open(struct streams **streams, struct err *err);
struct MHD_Response *stream_response(struct streams *streams, struct request *request);
/* reply.c: of request->reply, whose body or descriptor it takes; NULL when out of memory. */
struct MHD_Response *reply_response(struct request *request, struct streams *streams);
/* Every stream ends at its next look. */
void streams_stop(struct streams *streams);
void streams_close(struct streams **streams);

#endif
