/*
 * fuzz_main.c - runs a fuzz target without a fuzzer: its corpus, then mutations of it, from one seed.
 *
 *   fuzz_json [CORPUS_FOLDER]        FARTHING_FUZZ_SEED (default 1), FARTHING_FUZZ_RUNS (default 20000)
 *
 * A crash prints the seed and the number of the run; the input is written to ./crash-input.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_BYTES_MAX 65536
#define CORPUS_MAX 1024
#define RUNS_DEFAULT 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint8_t *bytes;
    size_t size;
};

static struct input corpus[CORPUS_MAX];
static size_t corpus_count;

/* For the crash handler. */
static uint64_t seed;
static uint64_t run;
static const uint8_t *current;
static size_t current_size;

static uint64_t state;

/* xorshift64*: small, seeded, the same everywhere. */
static uint64_t next_random(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717);
}

static size_t below(size_t limit)
{
    return limit == 0 ? 0 : (size_t)(next_random() % limit);
}

static void on_crash(int signal_number)
{
    int fd = open("crash-input", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd >= 0) {
        ssize_t ignored = write(fd, current, current_size);
        (void)ignored;
        (void)close(fd);
    }
    (void)fprintf(stderr, "fuzz: signal %d in run %llu of seed %llu, input in crash-input\n", signal_number,
                  (unsigned long long)run, (unsigned long long)seed);
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

/* The input is copied to a block of exactly its size, so that a sanitizer sees one byte too far. */
static void try_input(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        abort();
    }
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    current = copy;
    current_size = size;
    (void)LLVMFuzzerTestOneInput(copy, size);
    current = NULL;
    current_size = 0;
    free(copy);
}

static void add_to_corpus(const char *path)
{
    static uint8_t buffer[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL || corpus_count == CORPUS_MAX) {
        return;
    }
    size_t size = fread(buffer, 1, sizeof buffer, file);
    (void)fclose(file);
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    if (bytes == NULL) {
        abort();
    }
    memcpy(bytes, buffer, size);
    corpus[corpus_count++] = (struct input){bytes, size};
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* In the order of names, so that a seed means the same runs on every machine. */
static void read_corpus(const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, by_name);
    for (int i = 0; i < count; i++) {
        char path[4096];
        if (entries[i]->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
            add_to_corpus(path);
        }
        free(entries[i]);
    }
    free(entries);
}

static size_t insert(uint8_t *bytes, size_t size, size_t at, const uint8_t *from, size_t length)
{
    length = length < INPUT_BYTES_MAX - size ? length : INPUT_BYTES_MAX - size;
    memmove(bytes + at + length, bytes + at, size - at);
    memmove(bytes + at, from, length);
    return size + length;
}

static size_t mutate_once(uint8_t *bytes, size_t size)
{
    static const char *const words[] = {"0",
                                        "-",
                                        "9223372036854775807",
                                        "-9223372036854775808",
                                        "\\u0000",
                                        "{",
                                        "[",
                                        "\"",
                                        "$$",
                                        "'",
                                        "--",
                                        "/*",
                                        "T",
                                        ":",
                                        "\xff",
                                        "\xc2\x80",
                                        "\xed\xa0\x80",
                                        "1e999"};
    size_t at = below(size + 1);
    size_t span = 1 + below(8);
    const struct input *other = &corpus[below(corpus_count)];
    const char *word = words[below(sizeof words / sizeof words[0])];
    switch (next_random() % 6) {
    case 0:
        if (at < size) {
            bytes[at] ^= (uint8_t)(1U << below(8));
        }
        return size;
    case 1:
        if (at < size) {
            bytes[at] = (uint8_t)next_random();
        }
        return size;
    case 2: /* cut */
        span = span < size - at ? span : size - at;
        memmove(bytes + at, bytes + at + span, size - at - span);
        return size - span;
    case 3: /* a part of another input */
        if (other->size > 0) {
            size_t from = below(other->size);
            return insert(bytes, size, at, other->bytes + from, 1 + below(other->size - from));
        }
        return size;
    case 4:
        return insert(bytes, size, at, (const uint8_t *)word, strlen(word));
    default: /* the end is gone */
        return at;
    }
}

static void mutate_all(uint64_t runs)
{
    static uint8_t bytes[INPUT_BYTES_MAX];
    for (run = 1; run <= runs; run++) {
        const struct input *start = &corpus[below(corpus_count)];
        size_t size = start->size;
        memcpy(bytes, start->bytes, size);
        for (size_t changes = 1 + below(6); changes > 0; changes--) {
            size = mutate_once(bytes, size);
        }
        try_input(bytes, size);
    }
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    seed = number_from("FARTHING_FUZZ_SEED", 1);
    uint64_t runs = number_from("FARTHING_FUZZ_RUNS", RUNS_DEFAULT);
    state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    (void)signal(SIGABRT, on_crash);
    (void)signal(SIGSEGV, on_crash);
    for (int i = 1; i < argc; i++) {
        read_corpus(argv[i]);
    }
    try_input(NULL, 0);
    for (size_t i = 0; i < corpus_count; i++) {
        try_input(corpus[i].bytes, corpus[i].size);
    }
    if (corpus_count == 0) {
        corpus[corpus_count++] = (struct input){malloc(1), 0};
    }
    mutate_all(runs);
    (void)printf("%zu inputs of the corpus, %llu mutations, seed %llu\n", corpus_count, (unsigned long long)runs,
                 (unsigned long long)seed);
    for (size_t i = 0; i < corpus_count; i++) {
        free(corpus[i].bytes);
    }
    return 0;
}
