#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/table.h"
#include "common/clock.h"

#define PROGRESS_REDRAW_US 100000
#define PROGRESS_WIDTH 24

void progress_start(struct progress *progress, const char *label, int64_t total, int64_t done_before)
{
    const char *term = getenv("TERM");

    *progress = (struct progress){
        .label = label,
        .total = total,
        .first = done_before,
        .started_us = clock_mono_us(),
        .shown = isatty(STDERR_FILENO) == 1 && (term == NULL || strcmp(term, "dumb") != 0),
    };
    progress_update(progress, done_before);
}

static void draw(struct progress *progress, int64_t done, int64_t now_us)
{
    int64_t seconds_us = now_us - progress->started_us;
    int64_t rate = seconds_us > 0 ? (done - progress->first) * 1000 / (seconds_us / 1000 + 1) : 0;
    char done_text[32], total_text[32], rate_text[32];

    progress->drawn_us = now_us;
    number_format(done, done_text);
    number_format(progress->total, total_text);
    number_format(rate, rate_text);
    (void)fprintf(stderr, "\r\033[K%s  ", progress->label);
    if (progress->total > 0) {
        int64_t percent = done * 100 / progress->total;
        int cells = (int)(done * PROGRESS_WIDTH / progress->total);
        for (int i = 0; i < PROGRESS_WIDTH; i++) {
            (void)fputs(i < cells ? "█" : "░", stderr);
        }
        (void)fprintf(stderr, " %3lld %%  %s of %s", (long long)percent, done_text, total_text);
    } else {
        (void)fputs(done_text, stderr);
    }
    (void)fprintf(stderr, "  %s/s", rate_text);
    if (progress->total > done && rate > 0) {
        (void)fprintf(stderr, "  %lld s left", (long long)((progress->total - done) / rate));
    }
    (void)fflush(stderr);
}

void progress_update(struct progress *progress, int64_t done)
{
    int64_t now_us = 0;

    if (!progress->shown) {
        return;
    }
    now_us = clock_mono_us();
    if (progress->drawn_us == 0 || now_us - progress->drawn_us >= PROGRESS_REDRAW_US) {
        draw(progress, done, now_us);
    }
}

void progress_end(struct progress *progress, int64_t done)
{
    if (progress->shown) {
        draw(progress, done, clock_mono_us());
        (void)fputc('\n', stderr);
        progress->shown = false;
    }
}
