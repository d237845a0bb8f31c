/*
 * printed_html.c - the invoice as one page of HTML: no script, no request to anywhere, light and dark, and it prints.
 */
#include "reports/printed.h"

#include "common/buf.h"
#include "common/calendar.h"
#include "common/err.h"
#include "common/ids.h"
#include "reports/printed_parts.h"

#include <stdio.h>
#include <string.h>

/* In pieces: a string of C has at most 4095 characters. */
static const char *const STYLE[] = {
    ":root{color-scheme:light dark;--paper:#fff;--desk:#eef1f5;--ink:#16202c;--soft:#566372;--line:#d9dfe7;"
    "--band:#f5f7fa;--accent:#1f4fa3;--stamp:#b4530921;--s0:#2b6cb0;--s1:#0e8a7a;--s2:#c46a04;--s3:#8a44b8;--s4:#"
    "74808d}"
    "@media(prefers-color-scheme:dark){:root{--paper:#161c24;--desk:#0d1117;--ink:#e8edf3;--soft:#a3b0bf;--line:#"
    "2f3945;"
    "--band:#1c242e;--accent:#8fb6ff;--stamp:#f5b45a22;--s0:#63a4f0;--s1:#35c2ae;--s2:#f0a144;--s3:#c78af0;--s4:#"
    "95a2b1}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--desk);color:var(--ink);"
    "font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",\"Noto Sans\",\"Noto Sans Arabic\",\"Noto Sans Hebrew\","
    "\"Noto Sans CJK SC\",sans-serif}"
    "main{position:relative;max-width:860px;margin:32px auto;padding:56px;background:var(--paper);border-radius:10px;"
    "box-shadow:0 1px 3px #0002,0 8px 30px #0001;overflow:hidden;isolation:isolate}"
    "h1,h2,p{margin:0}h1{font-size:30px;line-height:1.15;font-weight:650;letter-spacing:-.01em}"
    "h2{font-size:17px;font-weight:650;margin:40px 0 10px}"
    "header{display:flex;justify-content:space-between;gap:32px}header>div:last-child{text-align:right}"
    ".issuer{font-size:19px;font-weight:650}.soft,dt,th,figcaption,footer{color:var(--soft)}"
    ".number{font-variant-numeric:tabular-nums;margin-top:4px}"
    ".facts>dl:last-child{text-align:right}.facts{display:grid;grid-template-columns:1.3fr 1fr "
    "1fr;gap:28px;margin:36px 0 0;padding:24px 0;"
    "border-top:2px solid var(--ink);border-bottom:1px solid var(--line)}"
    "dl{margin:0}dt{font-size:12.5px}dd{margin:0 0 10px;overflow-wrap:anywhere}dd:last-child{margin-bottom:0}"
    ".due{font-size:28px;font-weight:650;line-height:1.2;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "bdi{overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "th{font-size:12.5px;font-weight:500;text-align:left;vertical-align:bottom;border-bottom:1px solid var(--ink)}"
    "th,td{padding:7px 0 7px 18px}th:first-child,td:first-child{padding-left:0}"
    "td{border-bottom:1px solid var(--line);vertical-align:top}"
    ".n{text-align:right;white-space:nowrap}tr.group td{font-weight:600;padding-top:16px}"
    "tfoot td{border-bottom:0;padding-top:9px;padding-bottom:2px}tfoot tr.total td{font-size:18px;font-weight:650;"
    "border-top:2px solid var(--ink);padding-top:10px}tfoot tr:first-child td{padding-top:14px}"
    "tfoot.sum td{font-weight:600;border-top:1px solid var(--ink)}"
    "figure{margin:0}svg{display:block;width:100%;height:auto}svg text{fill:var(--soft);font-size:11px}"
    ".grid{stroke:var(--line)}.axis{stroke:var(--soft)}.s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}"
    ".s3{fill:var(--s3)}.s4{fill:var(--s4)}figure>svg rect{stroke:var(--paper);stroke-width:.6}"
    ".key{display:flex;flex-wrap:wrap;gap:4px 20px;padding:0;margin:8px 0 0;list-style:none;font-size:13px}"
    ".key svg{display:inline-block;width:11px;height:11px;margin-right:7px}"
    "details{margin-top:8px;font-size:13px}summary{color:var(--accent);cursor:pointer;width:max-content}"
    "summary:focus-visible{outline:2px solid var(--accent);outline-offset:3px;border-radius:3px}"
    ".note{white-space:pre-line;overflow-wrap:anywhere}"
    "footer{margin-top:44px;padding-top:16px;border-top:1px solid var(--line);font-size:12.5px}"
    "code{font:12px/1.5 ui-monospace,\"DejaVu Sans Mono\",monospace;overflow-wrap:anywhere;color:var(--ink)}"
    ".stamp{position:absolute;inset:0;display:flex;align-items:center;justify-content:center;pointer-events:none;"
    "font-size:min(17vw,128px);font-weight:800;letter-spacing:.06em;color:var(--stamp);transform:rotate(-28deg);"
    "white-space:nowrap;z-index:-1;max-height:1200px}"
    ".state{display:inline-block;margin-top:8px;padding:2px 10px;border:1px solid;border-radius:99px;font-size:13px;"
    "color:var(--s2)}",
    "@media(max-width:640px){main{margin:0;border-radius:0;padding:28px 18px}header,.facts{display:block}"
    "header>div:last-child{text-align:left;margin-top:20px}.facts>dl:last-child{text-align:left}.facts "
    "dl{margin-bottom:14px}"
    ".wide{overflow-x:auto}th,td{padding-left:12px}}"
    "@page{size:A4;margin:16mm 16mm 18mm}"
    "@media print{:root{color-scheme:light;--paper:#fff;--desk:#fff;--ink:#16202c;--soft:#4d5966;--line:#d9dfe7;"
    "--accent:#1f4fa3;--stamp:#b4530921;--s0:#2b6cb0;--s1:#0e8a7a;--s2:#c46a04;--s3:#8a44b8;--s4:#74808d}"
    "body{font-size:10pt}main{margin:0;padding:0;max-width:none;box-shadow:none;border-radius:0;overflow:visible}"
    "details{display:none}thead{display:table-header-group}tfoot{display:table-row-group}tr,figure,.facts{break-inside:"
    "avoid}h2{break-after:avoid}.stamp{position:fixed}svg rect,.key svg{print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}}"};

static void text(struct buf *out, const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        switch (*at) {
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        default:
            buf_putc(out, *at);
        }
    }
}

/* A name of somebody else: its direction is its own. */
static void name(struct buf *out, const char *value)
{
    buf_puts(out, "<bdi>");
    text(out, value);
    buf_puts(out, "</bdi>");
}

static void fact(struct buf *out, const char *term, const char *value)
{
    if (*value != '\0') {
        buf_printf(out, "<dt>%s</dt><dd>", term);
        text(out, value);
        buf_puts(out, "</dd>");
    }
}

static void cell(struct buf *out, const char *value)
{
    buf_puts(out, "<td class=n>");
    text(out, value);
    buf_puts(out, "</td>");
}

/* ---- head ---- */

static void party_lines(struct buf *out, const struct party *party)
{
    for (int i = 0; i < party->address_lines; i++) {
        buf_puts(out, "<br>");
        name(out, party->address[i]);
    }
    if (party->postal_code[0] != '\0' || party->city[0] != '\0' || party->country[0] != '\0') {
        buf_puts(out, "<br>");
        name(out, party->postal_code);
        buf_puts(out, party->postal_code[0] != '\0' ? " " : "");
        name(out, party->city);
        buf_puts(out,
                 party->country[0] != '\0' && (party->city[0] != '\0' || party->postal_code[0] != '\0') ? ", " : "");
        text(out, party->country);
    }
    if (party->tax_id[0] != '\0') {
        buf_puts(out, "<br>Tax number ");
        text(out, party->tax_id);
    }
    if (party->email[0] != '\0') {
        buf_puts(out, "<br>");
        text(out, party->email);
    }
}

static void head(struct buf *out, const struct printed *printed)
{
    const struct bill *bill = printed->bill;
    struct printed_facts facts;
    printed_facts(printed, &facts);
    buf_puts(out, "<header><div><p class=issuer>");
    name(out, printed->issuer.name);
    buf_puts(out, "</p><p class=soft>");
    struct buf lines = {0};
    party_lines(&lines, &printed->issuer);
    buf_puts(out, strncmp(buf_text(&lines), "<br>", 4) == 0 ? buf_text(&lines) + 4 : buf_text(&lines));
    buf_free(&lines);
    buf_printf(out, "</p></div><div><h1>%s</h1><p class=number>", printed->title);
    text(out, bill->number);
    buf_puts(out, "</p>");
    if (printed->stamp != NULL) {
        buf_printf(out, "<p class=state>%s</p>", facts.state);
    }
    buf_puts(out, "</div></header><section class=facts><dl><dt>Billed to</dt><dd>");
    buf_puts(out, "<strong>");
    name(out, printed->customer.name);
    buf_puts(out, "</strong>");
    party_lines(out, &printed->customer);
    buf_puts(out, "</dd>");
    fact(out, "Account", facts.account);
    fact(out, "Your reference", printed->customer.reference);
    buf_puts(out, "</dl><dl>");
    fact(out, "Period", facts.period);
    fact(out, "Date of issue", facts.issued);
    fact(out, "Due", facts.due);
    fact(out, "Takes back", facts.takes_back);
    fact(out, "Reason", facts.reason);
    fact(out, "Usage counted through", facts.complete);
    buf_printf(out, "</dl><dl><dt>%s</dt><dd class=due>", facts.due_label);
    text(out, facts.total);
    buf_puts(out, "</dd>");
    fact(out, "Price list", facts.price_list);
    buf_puts(out, "</dl></section>");
}

/* ---- chart ---- */

#define CHART_WIDTH 748.0
#define CHART_HEIGHT 190.0
#define CHART_LEFT 56.0
#define CHART_TOP 10.0
#define CHART_BOTTOM 166.0

static void chart_axis(struct buf *out, const struct printed *printed, double step, double top)
{
    for (double value = 0; value <= top + step / 2; value += step) {
        char label[PRINTED_TEXT_BYTES];
        double y = CHART_BOTTOM - value / top * (CHART_BOTTOM - CHART_TOP);
        printed_axis_label(value, step, label);
        buf_printf(out, "<line class=%s x1=%.0f x2=%.0f y1=%.1f y2=%.1f />", value > 0 ? "grid" : "axis", CHART_LEFT,
                   CHART_WIDTH, y, y);
        buf_printf(out, "<text x=%.0f y=%.1f text-anchor=end>%s</text>", CHART_LEFT - 8, y + 4, label);
    }
    for (int day = 0; day < printed->day_count; day += day == 0 ? 4 : 5) {
        double width = (CHART_WIDTH - CHART_LEFT) / printed->day_count;
        buf_printf(out, "<text x=%.1f y=%.0f text-anchor=middle>%d</text>", CHART_LEFT + (day + 0.5) * width,
                   CHART_BOTTOM + 17, day + 1);
    }
}

static void chart_bars(struct buf *out, const struct printed *printed, double top)
{
    double width = (CHART_WIDTH - CHART_LEFT) / printed->day_count;
    for (int day = 0; day < printed->day_count; day++) {
        double base = CHART_BOTTOM;
        for (int s = 0; s < printed->series_count; s++) {
            double height = printed->days[day].series[s] / top * (CHART_BOTTOM - CHART_TOP);
            if (height < 0.05) {
                continue;
            }
            buf_printf(out, "<rect class=s%d x=%.1f y=%.2f width=%.1f height=%.2f />", s, CHART_LEFT + day * width + 2,
                       base - height, width - 4, height);
            base -= height;
        }
    }
}

static void chart_table(struct buf *out, const struct printed *printed, double step)
{
    buf_puts(out, "<details><summary>The chart as a table</summary><table><thead><tr><th scope=col>Day</th>"
                  "<th scope=col class=n>Cost before rounding</th></tr></thead><tbody>");
    for (int day = 0; day < printed->day_count; day++) {
        char label[PRINTED_TEXT_BYTES];
        printed_axis_label(printed->days[day].total, step / 1000, label);
        buf_printf(out, "<tr><td>%d</td><td class=n>%s</td></tr>", day + 1, label);
    }
    buf_puts(out, "</tbody></table></details>");
}

static void chart(struct buf *out, const struct printed *printed)
{
    char month[PRINTED_TEXT_BYTES];
    double step = 0;
    double top = 0;
    if (printed->series_count == 0) {
        return;
    }
    printed_axis(printed, &step, &top);
    printed_month(printed->bill->month, month);
    buf_puts(out, "<h2>Cost a day</h2><figure>");
    buf_printf(out,
               "<svg viewBox=\"0 0 %.0f %.0f\" role=img aria-label=\"Cost of each day of %s in %s, stacked by "
               "function\">",
               CHART_WIDTH, CHART_HEIGHT, month, printed->bill->currency.code);
    chart_axis(out, printed, step, top);
    chart_bars(out, printed, top);
    buf_puts(out, "</svg><figcaption><ul class=key>");
    for (int s = 0; s < printed->series_count; s++) {
        buf_printf(
            out, "<li><svg viewBox=\"0 0 11 11\" aria-hidden=true><rect class=s%d width=11 height=11 rx=2 /></svg>", s);
        name(out, printed->series[s]);
        buf_puts(out, "</li>");
    }
    buf_printf(out, "</ul><p class=soft>%s, days in UTC, before rounding.</p></figcaption>",
               printed->bill->currency.code);
    chart_table(out, printed, step);
    buf_puts(out, "</figure>");
}

/* ---- lines ---- */

static void line_row(struct buf *out, const struct printed *printed, const struct rated_line *line)
{
    struct printed_cells cells;
    printed_cells(printed, line, &cells);
    buf_puts(out, "<tr><td>");
    name(out, line->description);
    buf_puts(out, "</td>");
    cell(out, cells.quantity);
    cell(out, cells.price);
    cell(out, cells.amount);
    buf_puts(out, "</tr>");
}

static void sum_row(struct buf *out, const char *class, const char *label, const char *amount)
{
    buf_printf(out, "<tr%s><td colspan=3>%s</td>", class, label);
    cell(out, amount);
    buf_puts(out, "</tr>");
}

static void lines(struct buf *out, const struct printed *printed)
{
    struct printed_sum sums[PRINTED_SUMS_MAX];
    buf_printf(out, "<h2>%s</h2>", printed->heading);
    buf_puts(out, "<div class=wide><table><thead><tr><th scope=col>Description</th>"
                  "<th scope=col class=n>Quantity</th><th scope=col class=n>Unit price</th>");
    buf_printf(out, "<th scope=col class=n>Amount, %s</th></tr></thead><tbody>", printed->bill->currency.code);
    for (int section = PRINTED_CHARGES; section <= PRINTED_CREDITS; section++) {
        bool first = true;
        for (int i = 0; i < printed->bill->line_count; i++) {
            const struct rated_line *line = &printed->bill->lines[i];
            if ((int)printed_section_of(line) != section) {
                continue;
            }
            if (first && section != PRINTED_CHARGES) {
                buf_printf(out, "<tr class=group><td colspan=4>%s</td></tr>",
                           printed_section_title((enum printed_section)section));
            }
            first = false;
            line_row(out, printed, line);
        }
    }
    if (printed->bill->line_count == 0) {
        buf_puts(out, "<tr><td colspan=4>No usage in this month.</td></tr>");
    }
    buf_puts(out, "</tbody><tfoot>");
    int count = printed_sums(printed, sums);
    for (int i = 0; i < count; i++) {
        struct buf label = {0};
        text(&label, sums[i].label);
        sum_row(out, i == count - 1 ? " class=total" : "", buf_text(&label), sums[i].amount);
        buf_free(&label);
    }
    buf_puts(out, "</tfoot></table></div>");
}

/* ---- functions ---- */

static void function_row(struct buf *out, const struct printed *printed, const struct printed_function *row)
{
    struct printed_function_cells cells;
    printed_function_cells(printed, row, &cells);
    buf_puts(out, "<tr><td>");
    name(out, row->name);
    buf_puts(out, "</td>");
    cell(out, cells.requests);
    cell(out, cells.compute);
    cell(out, cells.requests_amount);
    cell(out, cells.compute_amount);
    cell(out, cells.other_amount);
    cell(out, cells.total);
    buf_puts(out, "</tr>");
}

static void functions(struct buf *out, const struct printed *printed)
{
    if (printed->function_count == 0) {
        return;
    }
    buf_puts(out, "<h2>By function</h2><p class=soft>Shares of the charges above; each column adds up to its lines.</p>"
                  "<div class=wide><table><thead><tr><th scope=col>Function</th><th scope=col class=n>Requests</th>"
                  "<th scope=col class=n>GB-s</th><th scope=col class=n>Request cost</th>"
                  "<th scope=col class=n>Compute cost</th>"
                  "<th scope=col class=n>Other</th>");
    buf_printf(out, "<th scope=col class=n>Amount, %s</th></tr></thead><tbody>", printed->bill->currency.code);
    for (int i = 0; i < printed->function_count; i++) {
        function_row(out, printed, &printed->functions[i]);
    }
    buf_puts(out, "</tbody><tfoot class=sum>");
    function_row(out, printed, &printed->all);
    buf_puts(out, "</tfoot></table></div>");
}

static void notes(struct buf *out, const struct printed *printed)
{
    struct printed_facts facts;
    printed_facts(printed, &facts);
    if (printed->issuer.payment[0] != '\0' && printed_is_payable(printed)) {
        buf_puts(out, "<h2>How to pay</h2><p class=note>");
        text(out, printed->issuer.payment);
        buf_puts(out, "</p>");
    }
    buf_puts(out, "<h2>Terms</h2><p class=note>");
    text(out, facts.terms);
    buf_puts(out, "</p><footer><p>");
    text(out, facts.how);
    buf_puts(out, "</p>");
    if (facts.digest_label[0] != '\0') {
        buf_printf(out, "<p>%s <code>%s</code></p>", facts.digest_label, printed->bill->digest);
    }
    if (facts.root_label[0] != '\0') {
        buf_printf(out, "<p>%s <code>%s</code></p>", facts.root_label, printed->bill->records_root);
    }
    buf_puts(out, "</footer>");
}

int printed_html(const struct printed *printed, struct buf *out)
{
    struct printed_facts facts;
    printed_facts(printed, &facts);
    buf_puts(out,
             "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport "
             "content=\"width=device-width,initial-scale=1\"><meta name=color-scheme content=\"light dark\"><title>");
    text(out, facts.document_title);
    buf_puts(out, "</title><style>");
    for (size_t i = 0; i < sizeof STYLE / sizeof STYLE[0]; i++) {
        buf_puts(out, STYLE[i]);
    }
    if (printed->options->letter) {
        buf_puts(out, "@page{size:letter}");
    }
    buf_puts(out, "</style></head>\n<body><main>");
    if (printed->stamp != NULL) {
        buf_printf(out, "<div class=stamp aria-hidden=true>%s</div>", printed->stamp);
    }
    head(out, printed);
    lines(out, printed);
    chart(out, printed);
    functions(out, printed);
    notes(out, printed);
    buf_puts(out, "</main></body></html>\n");
    return buf_ok(out) ? 0 : -1;
}
