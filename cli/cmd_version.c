#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

const char cmd_version_help[] = "farthing version [--json]\n"
                                "\n"
                                "Examples:\n"
                                "  farthing version\n";

int cmd_version(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--json") == 0) {
        (void)puts("{\"version\":\"" FARTHING_VERSION "\",\"compiler\":\"" __VERSION__ "\"}");
    } else if (argc == 1) {
        (void)puts("farthing " FARTHING_VERSION);
    } else {
        (void)fprintf(stderr, "farthing version: unknown word \"%s\"\n", argv[1]);
        return CMD_USAGE;
    }
    return CMD_OK;
}
