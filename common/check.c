#include "common/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *file, int line, const char *condition)
{
    (void)fprintf(stderr,
                  "{\"level\":\"fatal\",\"event\":\"check.failed\",\"file\":\"%s\",\"line\":%d,\"condition\":\"%s\"}\n",
                  file, line, condition);
    abort();
}
