/*
 * Goal:   whatever a function posts to register an extension, it is events we know, or a refusal that can be said.
 * Method: the body; what is read twice is the same, and events written out again are read as they were.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "engine/extensions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *body = malloc(size + 1);
    char bad[64];
    char text[64];
    unsigned events = 0xFFu;
    unsigned again = 0;
    CHECK(body != NULL);
    memcpy(body, data, size);
    body[size] = '\0';
    int told = extension_events_read(body, size, &events, bad);
    CHECK(told >= -1 && told <= 1 && memchr(bad, '\0', sizeof bad) != NULL);
    CHECK(told == 0 ? events <= (EXTENSION_INVOKE | EXTENSION_SHUTDOWN) : events == 0xFFu);
    CHECK((told == 1) == (bad[0] != '\0') || told == 1); /* an empty word is unknown, too */
    if (told == 0) {
        (void)snprintf(text, sizeof text, "{\"events\":[%s%s%s]}", (events & EXTENSION_INVOKE) != 0 ? "\"INVOKE\"" : "",
                       events == (EXTENSION_INVOKE | EXTENSION_SHUTDOWN) ? "," : "",
                       (events & EXTENSION_SHUTDOWN) != 0 ? "\"SHUTDOWN\"" : "");
        CHECK(extension_events_read(text, strlen(text), &again, bad) == 0 && again == events);
    }
    free(body);
    return 0;
}
