/*
 * runtime_api.h - Lambda's Runtime API (2018-06-01) for the instances of this node, on a small HTTP/1.1 server of our
 * own (docs/decisions/runtime-api-server.md).
 *
 * Why:       whoever speaks on an instance's listener is that instance; nothing it sends says who it is.
 * Threads:   RUNTIME_API_THREADS, each with an epoll; a waiting `next` is a parked connection, never a blocked thread.
 *            Connections have no timeout. An event is written by the thread that found the instance.
 */
#ifndef FARTHING_ENGINE_RUNTIME_API_H
#define FARTHING_ENGINE_RUNTIME_API_H

#define RUNTIME_API_THREADS 2
#define RUNTIME_API_CONNECTIONS_MAX 64 /* of one instance: each may hold a head and a body */

struct call;
struct engine;
struct err;
struct instance;
struct link;
struct runtime_api;

int runtime_api_open(struct engine *engine, struct runtime_api **api, struct err *err);
void runtime_api_close(struct runtime_api **api);
/* A connection accepted from the instance's listener; fd becomes the server's. */
void runtime_api_serve(struct runtime_api *api, struct instance *instance, int fd);
/* Give a call to the instance whose `next` waits on link. References to both move here. Lock not held. */
void runtime_api_hand_out(struct link *link, struct call *call);
/* A `next` that will get no answer: close its connection. Call with engine->lock held. */
void runtime_api_drop(struct link *link);

#endif
