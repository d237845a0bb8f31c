/* doctor.c - what isolation this machine offers. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "engine/engine.h"
#include "engine/meter.h"
#include "engine/sandbox.h"

#define PROBE_NODE "probe"

static void memory_finding(engine_doctor_fn *on_finding, void *ctx)
{
    struct meter_site *site = NULL;
    struct err err = {0};
    if (meter_site_open(PROBE_NODE, &site, &err) != 0) {
        on_finding(false, "memory", err.text, ctx);
        return;
    }
    const char *source = meter_site_source(site);
    bool cgroup = strcmp(source, "proc") != 0;
    char text[200];
    (void)snprintf(
        text, sizeof text,
        cgroup
            ? "%s: the kernel holds each instance to its memory and counts its peak and CPU"
            : "%s: no cgroup is writable; memory is held by per-process limits and by looking, CPU is counted in ticks",
        source);
    on_finding(cgroup, "memory", text, ctx);
    meter_site_close(&site);
}

void engine_doctor(engine_doctor_fn *on_finding, void *ctx)
{
    char text[200];
    bool usable = sandbox_probe(text, sizeof text);
    on_finding(usable, "sandbox", text, ctx);
    memory_finding(on_finding, ctx);
    on_finding(access("/usr/bin/node", X_OK) == 0, "nodejs",
               access("/usr/bin/node", X_OK) == 0 ? "/usr/bin/node"
                                                  : "no /usr/bin/node: functions for nodejs cannot run",
               ctx);
    on_finding(access("/usr/bin/python3", X_OK) == 0, "python",
               access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3"
                                                     : "no /usr/bin/python3: functions for python cannot run",
               ctx);
    on_finding(geteuid() == 0, "users",
               geteuid() == 0 ? "each instance runs as a user of its own"
                              : "the node is not root: instances share its user, apart by namespaces only",
               ctx);
}
