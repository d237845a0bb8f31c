/*
 * Goal:   no text crashes the readers of the trace files. The first byte chooses which.
 */
#include "metering/trace.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace *trace = calloc(1, sizeof *trace);
    if (size > 0 && trace != NULL) {
        const char *text = (const char *)data + 1;
        (void)(data[0] % 3 == 0   ? trace_parse_inv(trace, text, size - 1, NULL)
               : data[0] % 3 == 1 ? trace_parse_run(trace, text, size - 1, NULL)
                                  : trace_parse_mem(trace, text, size - 1, NULL));
    }
    trace_free(&trace);
    return 0;
}
