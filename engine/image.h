/*
 * image.h - the small files every instance needs, carried inside the program: launcher, bootstraps of the runtimes,
 * /etc files.
 */
#ifndef FARTHING_ENGINE_IMAGE_H
#define FARTHING_ENGINE_IMAGE_H

struct err;

/* Write them below dir (made; readable by everybody), unless they are there already. */
int image_install(const char *dir, struct err *err);

#endif
