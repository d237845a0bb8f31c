/* webhook_sender.c - see webhook_sender.h. */
#include "api/webhook_sender.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/usage_feed.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/log.h"
#include "engine/node_key.h"
#include "engine/notice.h"
#include "schema/pg.h"

struct webhook_sender {
    char *conninfo;
    uint8_t node_key[NODE_KEY_BYTES];
    bool sealed, allow_private;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop; /* under lock */
    struct pg *pg;
    CURLM *multi;
};

/* One call under way. */
struct delivery {
    struct notice_delivery what; /* ids only; pointers below are its own */
    struct buf body;
    CURL *easy;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
    bool private_address; /* refused: the address lies inside */
    bool allow_private;
};

/* A call that could not even be made. */
struct unsent {
    int64_t account_id, webhook_id;
    struct uuid delivery_id;
    char reason[200];
};

struct batch {
    struct webhook_sender *sender;
    struct delivery *deliveries[WEBHOOK_BATCH];
    struct unsent unsent[WEBHOOK_BATCH];
    int count, unsent_count;
};

void webhook_aad(int64_t account_id, char aad[WEBHOOK_AAD_BYTES])
{
    (void)snprintf(aad, WEBHOOK_AAD_BYTES, "webhook.secret:%" PRId64, account_id);
}

static bool inside_v4(uint32_t address)
{
    return address >> 24 == 0 || address >> 24 == 10 || address >> 24 == 127 || address >> 20 == 0xAC1 ||
           address >> 16 == 0xC0A8 || address >> 16 == 0xA9FE || address >> 22 == 0x191 || address >> 28 >= 0xE;
}

static bool inside(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return inside_v4(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6) {
        return true;
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    const uint8_t *bytes = v6.sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        uint32_t mapped = (uint32_t)bytes[12] << 24 | (uint32_t)bytes[13] << 16 | (uint32_t)bytes[14] << 8 | bytes[15];
        return inside_v4(mapped);
    }
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr) || (bytes[0] & 0xFE) == 0xFC ||
           (bytes[0] == 0xFE && bytes[1] >= 0x80) || bytes[0] == 0xFF;
}

/* Called with the address that is really used, so a name cannot lie about it. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct delivery *delivery = ctx;
    (void)purpose;
    if (!delivery->allow_private && inside(&address->addr)) {
        delivery->private_address = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t swallow(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)bytes;
    (void)ctx;
    return size * count;
}

static void delivery_free(struct delivery *delivery)
{
    curl_slist_free_all(delivery->headers);
    if (delivery->easy != NULL) {
        curl_easy_cleanup(delivery->easy);
    }
    buf_free(&delivery->body);
    free(delivery);
}

/* What receivers of OpenFaaS's usage look at; Farthing-Signature comes besides. */
static void openfaas_headers(const struct notice_delivery *what, const void *key, size_t length,
                             struct delivery *delivery)
{
    uint8_t mac[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    char id[UUID_TEXT_BYTES];
    char header[160];
    hmac_sha256(key, length, what->body, what->body_length, mac);
    hex_encode(mac, sizeof mac, hex);
    uuid_format(&what->delivery_id, id);
    delivery->headers = curl_slist_append(delivery->headers, "X-Openfaas-Event: " USAGE_FEED_EVENT);
    (void)snprintf(header, sizeof header, "X-Openfaas-Signature-256: sha256=%s", hex);
    delivery->headers = curl_slist_append(delivery->headers, header);
    (void)snprintf(header, sizeof header, "X-Openfaas-Delivery: %s", id);
    delivery->headers = curl_slist_append(delivery->headers, header);
}

static int sign(const struct webhook_sender *sender, const struct notice_delivery *what, struct delivery *delivery,
                struct err *err)
{
    char signature[NOTICE_SIGNATURE_BYTES + 32];
    char header[sizeof signature + 32];
    char aad[WEBHOOK_AAD_BYTES];
    struct buf secret = {0};
    webhook_aad(what->account_id, aad);
    if (sender->sealed && node_key_open(sender->node_key, aad, what->secret, what->secret_length, &secret, err) != 0) {
        buf_free(&secret);
        return err_wrap(err, "the secret of the webhook cannot be opened with this node's key");
    }
    const void *key = sender->sealed ? (const void *)secret.data : what->secret;
    size_t length = sender->sealed ? secret.length : what->secret_length;
    if (strcmp(what->event_type, USAGE_FEED_EVENT) == 0) {
        openfaas_headers(what, key, length, delivery);
    }
    notice_sign(key, length, clock_wall_us() / 1000000, what->body, what->body_length, signature);
    buf_free(&secret);
    (void)snprintf(header, sizeof header, "Farthing-Signature: %s", signature);
    delivery->headers = curl_slist_append(delivery->headers, header);
    return 0;
}

static int prepare(struct webhook_sender *sender, const struct notice_delivery *what, struct delivery *delivery,
                   struct err *err)
{
    delivery->what = *what;
    delivery->what.secret = NULL;
    delivery->what.body = NULL;
    delivery->what.url = NULL;
    delivery->what.event_type = NULL;
    delivery->allow_private = sender->allow_private;
    buf_append(&delivery->body, what->body, what->body_length);
    delivery->easy = curl_easy_init();
    if (delivery->easy == NULL || !buf_ok(&delivery->body)) {
        return err_set(err, ERR_SYSTEM, "webhook: out of memory");
    }
    delivery->headers = curl_slist_append(NULL, strcmp(what->event_type, USAGE_FEED_EVENT) == 0
                                                    ? "Content-Type: application/json"
                                                    : "Content-Type: application/cloudevents+json; charset=UTF-8");
    if (sign(sender, what, delivery, err) != 0) {
        return -1;
    }
    CURL *easy = delivery->easy;
    curl_easy_setopt(easy, CURLOPT_URL, what->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, delivery->body.data);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)delivery->body.length);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, delivery->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "farthing/" FARTHING_VERSION);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)WEBHOOK_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, delivery->error);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, delivery);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, delivery);
    return curl_multi_add_handle(sender->multi, easy) == CURLM_OK
               ? 0
               : err_set(err, ERR_SYSTEM, "webhook: curl refuses the call");
}

static int on_delivery(const struct notice_delivery *what, void *ctx, struct err *err)
{
    struct batch *batch = ctx;
    if (batch->count + batch->unsent_count == WEBHOOK_BATCH) {
        return 0;
    }
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL) {
        return err_set(err, ERR_SYSTEM, "webhook: out of memory");
    }
    struct err local = {0};
    if (prepare(batch->sender, what, delivery, &local) != 0) {
        LOG(LOG_LEVEL_WARN, "webhook.not_sent", LF_I64("webhook_id", what->webhook_id), LF_STR("error", local.text));
        struct unsent *unsent = &batch->unsent[batch->unsent_count++];
        *unsent = (struct unsent){
            .account_id = what->account_id, .webhook_id = what->webhook_id, .delivery_id = what->delivery_id};
        (void)snprintf(unsent->reason, sizeof unsent->reason, "%.199s", local.text);
        delivery_free(delivery);
        return 0;
    }
    batch->deliveries[batch->count++] = delivery;
    return 0;
}

static void note(struct webhook_sender *sender, int64_t account_id, int64_t webhook_id, const struct uuid *delivery_id,
                 int status, const char *reason)
{
    struct err err = {0};
    if (notice_finish(sender->pg, account_id, delivery_id, status, reason, &err) != 0) {
        LOG(LOG_LEVEL_WARN, "webhook.not_noted", LF_I64("webhook_id", webhook_id), LF_STR("error", err.text));
    }
}

static void finish(struct webhook_sender *sender, struct delivery *delivery, CURLcode code)
{
    char reason[CURL_ERROR_SIZE + 64] = "";
    long status = 0;
    (void)curl_easy_getinfo(delivery->easy, CURLINFO_RESPONSE_CODE, &status);
    if (delivery->private_address) {
        (void)snprintf(reason, sizeof reason, "the address lies inside the operator's network");
        status = 0;
    } else if (code != CURLE_OK) {
        (void)snprintf(reason, sizeof reason, "%s",
                       delivery->error[0] != '\0' ? delivery->error : curl_easy_strerror(code));
        status = 0;
    } else if (status < 200 || status > 299) {
        (void)snprintf(reason, sizeof reason, "the receiver answered %ld", status);
    }
    note(sender, delivery->what.account_id, delivery->what.webhook_id, &delivery->what.delivery_id, (int)status,
         reason);
}

/* Run the calls of a batch to their end; each ends within its own timeout. */
static void run_batch(struct webhook_sender *sender, struct batch *batch)
{
    int running = batch->count;
    /* An attempt like any other: another node may have the right key, and after the last it is given up. */
    for (int i = 0; i < batch->unsent_count; i++) {
        const struct unsent *unsent = &batch->unsent[i];
        note(sender, unsent->account_id, unsent->webhook_id, &unsent->delivery_id, 0, unsent->reason);
    }
    while (running > 0) {
        if (curl_multi_perform(sender->multi, &running) != CURLM_OK ||
            (running > 0 && curl_multi_poll(sender->multi, NULL, 0, 1000, NULL) != CURLM_OK)) {
            break;
        }
    }
    int left = 0;
    for (CURLMsg *message = curl_multi_info_read(sender->multi, &left); message != NULL;
         message = curl_multi_info_read(sender->multi, &left)) {
        struct delivery *delivery = NULL;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&delivery) == CURLE_OK) {
            finish(sender, delivery, message->data.result);
        }
    }
    for (int i = 0; i < batch->count; i++) {
        (void)curl_multi_remove_handle(sender->multi, batch->deliveries[i]->easy);
        delivery_free(batch->deliveries[i]);
    }
}

static bool rest(struct webhook_sender *sender)
{
    int64_t until_ns = clock_mono_ns() + WEBHOOK_POLL_MS * INT64_C(1000000);
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    CHECK(pthread_mutex_lock(&sender->lock) == 0);
    while (!sender->stop && clock_mono_ns() < until_ns) {
        (void)pthread_cond_timedwait(&sender->wake, &sender->lock, &until);
    }
    bool go_on = !sender->stop;
    CHECK(pthread_mutex_unlock(&sender->lock) == 0);
    return go_on;
}

/* Usage for those who asked for it, now and then. */
static void feed(struct webhook_sender *sender, int64_t *due_us)
{
    struct err err = {0};
    int64_t queued = 0;
    if (sender->pg == NULL || clock_mono_us() < *due_us) {
        return;
    }
    *due_us = clock_mono_us() + USAGE_FEED_EVERY_MS * INT64_C(1000);
    if (usage_feed_run(sender->pg, &queued, &err) != 0) {
        LOG(LOG_LEVEL_WARN, "usage_feed.failed", LF_STR("error", err.text));
    } else if (queued > 0) {
        LOG(LOG_LEVEL_INFO, "usage_feed.queued", LF_I64("invocations", queued));
    }
}

static void *sender_main(void *ctx)
{
    struct webhook_sender *sender = ctx;
    int64_t feed_due_us = 0;
    bool deaf = false;
    do {
        struct batch batch = {.sender = sender};
        struct err err = {0};
        bool fine =
            (sender->pg != NULL ? pg_ensure(sender->pg, &err) : pg_open(sender->conninfo, &sender->pg, &err)) == 0 &&
            notice_take(sender->pg, WEBHOOK_BATCH, on_delivery, &batch, &err) == 0;
        if (!fine && !deaf) {
            LOG(LOG_LEVEL_WARN, "webhook.queue_unreadable", LF_STR("error", err.text));
        }
        deaf = !fine;
        run_batch(sender, &batch);
        feed(sender, &feed_due_us);
    } while (rest(sender));
    pg_close(&sender->pg);
    return NULL;
}

static void sender_free(struct webhook_sender *sender)
{
    if (sender->multi != NULL) {
        (void)curl_multi_cleanup(sender->multi);
    }
    pthread_cond_destroy(&sender->wake);
    pthread_mutex_destroy(&sender->lock);
    memset(sender->node_key, 0, sizeof sender->node_key);
    free(sender->conninfo);
    free(sender);
}

int webhook_sender_start(const struct webhook_sender_options *options, struct webhook_sender **sender, struct err *err)
{
    pthread_condattr_t attributes;
    struct webhook_sender *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "webhook sender: out of memory");
    }
    CHECK(pthread_mutex_init(&self->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&self->wake, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    self->allow_private = options->allow_private;
    self->sealed = options->node_key != NULL;
    if (self->sealed) {
        memcpy(self->node_key, options->node_key, sizeof self->node_key);
    }
    self->conninfo = strdup(options->conninfo);
    self->multi = curl_multi_init();
    if (self->conninfo == NULL || self->multi == NULL || pthread_create(&self->thread, NULL, sender_main, self) != 0) {
        sender_free(self);
        return err_set(err, ERR_SYSTEM, "webhook sender: cannot start");
    }
    *sender = self;
    return 0;
}

void webhook_sender_stop(struct webhook_sender **sender)
{
    struct webhook_sender *self = *sender;
    if (self == NULL) {
        return;
    }
    CHECK(pthread_mutex_lock(&self->lock) == 0);
    self->stop = true;
    CHECK(pthread_cond_signal(&self->wake) == 0);
    CHECK(pthread_mutex_unlock(&self->lock) == 0);
    CHECK(pthread_join(self->thread, NULL) == 0);
    sender_free(self);
    *sender = NULL;
}
