#include "engine/image.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/err.h"
#include "common/fs.h"

/* The bytes of a file, in the read-only data of this object; FARTHING_IMAGE_* are paths, set by CMake. */
#define IMAGE(symbol, path)                                                                                            \
    __asm__(".section .rodata\n.global image_" #symbol "\n.global image_" #symbol "_end\n.balign 16\nimage_" #symbol   \
            ":\n.incbin \"" path "\"\nimage_" #symbol "_end:\n.byte 0\n.previous\n");                                  \
    extern const uint8_t image_##symbol[], image_##symbol##_end[]

IMAGE(launcher, FARTHING_IMAGE_LAUNCHER);
IMAGE(nodejs, FARTHING_IMAGE_NODEJS);
IMAGE(python, FARTHING_IMAGE_PYTHON);

static const char PASSWD[] =
    "root:x:0:0:root:/:/usr/sbin/nologin\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n";
static const char GROUP[] = "root:x:0:\nsbx_user1051:x:990:\n";
static const char HOSTS[] = "127.0.0.1 localhost sandbox.localdomain\n";

static int install(const char *dir, const char *name, const void *bytes, size_t length, mode_t mode, struct err *err)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return fs_write_atomic(path, bytes, length, mode, err);
}

int image_install(const char *dir, struct err *err)
{
    if (fs_make_dirs(dir, 0755, err) != 0 ||
        install(dir, "launcher", image_launcher, (size_t)(image_launcher_end - image_launcher), 0755, err) != 0 ||
        install(dir, "nodejs.mjs", image_nodejs, (size_t)(image_nodejs_end - image_nodejs), 0644, err) != 0 ||
        install(dir, "python.py", image_python, (size_t)(image_python_end - image_python), 0644, err) != 0 ||
        install(dir, "passwd", PASSWD, sizeof PASSWD - 1, 0644, err) != 0 ||
        install(dir, "group", GROUP, sizeof GROUP - 1, 0644, err) != 0 ||
        install(dir, "hosts", HOSTS, sizeof HOSTS - 1, 0644, err) != 0) {
        return err_wrap(err, "install the runtimes");
    }
    return 0;
}
