/* /healthz: the process answers. /readyz: the work gets done. */
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "common/err.h"
#include "metering/aggregator.h"
#include "metering/hook.h"

/* Above this age of the oldest record that is not stored, records do not move. */
#define LAG_S_MAX 60
#define FILL_MAX 950 /* thousandths of the spool */

int healthz_handler(struct request *request, struct err *err)
{
    struct json_writer writer;
    reply_json_begin(request, &writer);
    json_put_text(&writer, "status", "ok");
    json_put_text(&writer, "version", FARTHING_VERSION);
    reply_header(&request->reply, "Cache-Control", "no-store");
    return reply_json_end(request, 200, &writer, err);
}

struct check {
    const char *name;
    bool ok;
    const char *detail;
};

static int checks(const struct request *request, struct check list[4])
{
    const struct api_options *options = api_get_options(request->api);
    int count = 0;
    if (api_stopping(request->api)) {
        list[count++] = (struct check){"node", false, "stopping"};
    }
    if (options->aggregator != NULL) {
        struct aggregator_stats stats;
        aggregator_stats(options->aggregator, &stats);
        list[count++] = (struct check){"database", stats.database_ok, stats.database_ok ? "" : "cannot be reached"};
        int64_t lag_s_max = options->ready_lag_s > 0 ? options->ready_lag_s : LAG_S_MAX;
        bool moving = stats.lag_us < lag_s_max * 1000000;
        list[count++] =
            (struct check){"records", moving, moving ? "" : "records wait in the spool for more than a minute"};
    }
    if (options->hook != NULL) {
        bool ok = farthing_hook_fill(options->hook) <= FILL_MAX;
        list[count++] = (struct check){"spool", ok, ok ? "" : "nearly full: no new work is admitted"};
    }
    return count;
}

int readyz_handler(struct request *request, struct err *err)
{
    struct check list[4];
    struct json_writer writer;
    int count = checks(request, list);
    bool ready = true;
    for (int i = 0; i < count; i++) {
        ready = ready && list[i].ok;
    }
    reply_json_begin(request, &writer);
    json_put_text(&writer, "status", ready ? "ready" : "not_ready");
    json_open_array(&writer, "checks");
    for (int i = 0; i < count; i++) {
        json_open_object(&writer, NULL);
        json_put_text(&writer, "name", list[i].name);
        json_put_bool(&writer, "ok", list[i].ok);
        json_put_text(&writer, "detail", list[i].detail);
        json_close_object(&writer);
    }
    json_close_array(&writer);
    reply_header(&request->reply, "Cache-Control", "no-store");
    return reply_json_end(request, ready ? 200 : 503, &writer, err);
}
