/* .../bills/{yyyy-mm}: the bill as a file, in one of the layouts of reports/. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "common/digest.h"
#include "common/err.h"
#include "reports/report.h"

static int options_read(const struct request *request, struct report_options *options, struct err *err)
{
    const char *layout = request_query(request, "layout");
    const char *version = request_query(request, "focus_version");
    const char *of = request_query(request, "csvw_of");
    const char *format = request_query(request, "format");
    *options = (struct report_options){.layout = REPORT_SUMMARY,
                                       .issuer = api_get_options(request->api)->issuer,
                                       .issuer_party = api_get_options(request->api)->issuer_party};
    if (format != NULL && layout == NULL) {
        layout = strcmp(format, "csv") == 0 ? "summary" : format;
    }
    if ((layout != NULL && report_layout_parse(layout, "layout", &options->layout, err) != 0) ||
        (version != NULL && report_focus_version_parse(version, "focus_version", &options->focus_version, err) != 0) ||
        (of != NULL && report_layout_parse(of, "csvw_of", &options->csvw_of, err) != 0) ||
        request_query_bool(request, "csv_safe", &options->csv_safe, err) != 0 ||
        request_query_bool(request, "bom", &options->bom, err) != 0) {
        return -1;
    }
    return request_query_bool(request, "letter", &options->letter, err);
}

static int file_reply(struct request *request, const struct report_options *options, const char *account,
                      const char *month)
{
    char text[200];
    const char *type = report_media_type(options->layout);
    (void)snprintf(text, sizeof text, "%s; filename=\"bill-%s-%s-%s.%s\"",
                   options->layout == REPORT_HTML || options->layout == REPORT_PDF ? "inline" : "attachment", account,
                   month, report_layout_name(options->layout), report_file_extension(options->layout));
    reply_header(&request->reply, "Content-Disposition", text);
    if (options->csv_safe) {
        reply_header(&request->reply, "X-Csv-Safe", "applied");
    }
    if (options->layout == REPORT_HTML) {
        reply_header(&request->reply, "Content-Security-Policy",
                     "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'");
    }
    request->reply.status = 200;
    request->reply.content_type = type;
    return 0;
}

int bill_handler(struct request *request, struct err *err)
{
    struct report_options options;
    struct month month;
    const char *text = request_param(request, "month");
    if (month_parse(text, "month", &month, err) != 0 || options_read(request, &options, err) != 0 ||
        report_bill(request->pg, request->account_id, month, &options, reply_sink, request, err) != 0) {
        return -1;
    }
    return file_reply(request, &options, request->account_name, text);
}

int bill_all_handler(struct request *request, struct err *err)
{
    struct report_options options;
    struct month month;
    const char *text = request_param(request, "month");
    if (month_parse(text, "month", &month, err) != 0 || options_read(request, &options, err) != 0 ||
        report_all(request->pg, month, &options, reply_sink, request, err) != 0) {
        return -1;
    }
    return file_reply(request, &options, "all", text);
}
