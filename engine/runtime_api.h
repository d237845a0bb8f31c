/*
 * runtime_api.h - Lambda's Runtime API (2018-06-01) for the instances of this node, on libmicrohttpd.
 *
 * Why:       whoever speaks on an instance's listener is that instance; nothing it sends says who it is.
 * Threads:   RUNTIME_API_THREADS of libmicrohttpd's own; `next` is suspended, never a blocked thread. Connections have
 * no timeout.
 */
#ifndef FARTHING_ENGINE_RUNTIME_API_H
#define FARTHING_ENGINE_RUNTIME_API_H

#define RUNTIME_API_THREADS 2
/* For the headers of one request. libmicrohttpd clears all of it after each request: at 2 MiB that was three quarters
 * of the CPU time of a warm call. Error reports carry a trace in a header (some KiB; runtime clients allow 1 MiB): more
 * than this is answered 431. */
#define RUNTIME_API_MEMORY_BYTES 65536

struct MHD_Connection;
struct engine;
struct err;
struct instance;
struct runtime_api;

int runtime_api_open(struct engine *engine, struct runtime_api **api, struct err *err);
void runtime_api_close(struct runtime_api **api);
/* A connection accepted from the instance's listener; fd becomes the server's. */
void runtime_api_serve(struct runtime_api *api, struct instance *instance, int fd);
/* A `next` that waits has its answer. Call with engine->lock held. */
void runtime_api_resume(struct MHD_Connection *connection);

#endif
