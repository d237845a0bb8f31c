#include "metering/spool.h"

#include "common/err.h"
#include "metering/record_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONTROL_CRC_BYTES offsetof(struct spool_control, crc32c)
#define HEADER_CRC_BYTES offsetof(struct segment_header, crc32c)
#define PRODUCER_DIGITS 16
#define EPOCH_DIGITS 8
#define SEGMENT_SUFFIX ".seg"

_Static_assert(offsetof(struct spool_control, epoch) == 64, "the newest epoch has a line of its own");
_Static_assert(offsetof(struct spool_control, epochs) == 128, "so has each counter");
_Static_assert(offsetof(struct usage_record, sequence) == 8, "the first eight bytes publish a slot");

/* Exactly `digits` lower-case hexadecimal digits. */
static bool parse_hex(const char *text, size_t digits, uint64_t *value)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9') {
            sum = sum << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            sum = sum << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *value = sum;
    return true;
}

void spool_producer_name(uint64_t producer_id, char name[SPOOL_NAME_BYTES])
{
    (void)snprintf(name, SPOOL_NAME_BYTES, "%016" PRIx64, producer_id);
}

bool spool_producer_parse(const char *name, uint64_t *producer_id)
{
    uint64_t value;
    if (!parse_hex(name, PRODUCER_DIGITS, &value) || name[PRODUCER_DIGITS] != '\0' || value == 0 || value > INT64_MAX) {
        return false;
    }
    *producer_id = value;
    return true;
}

void spool_segment_name(uint64_t epoch, uint64_t first, char name[SPOOL_NAME_BYTES])
{
    (void)snprintf(name, SPOOL_NAME_BYTES, "%08" PRIx32 "-%016" PRIx64 SEGMENT_SUFFIX, (uint32_t)epoch, first);
}

bool spool_segment_parse(const char *name, uint64_t *epoch, uint64_t *first)
{
    uint64_t e;
    uint64_t f;
    if (!parse_hex(name, EPOCH_DIGITS, &e) || name[EPOCH_DIGITS] != '-' ||
        !parse_hex(name + EPOCH_DIGITS + 1, PRODUCER_DIGITS, &f) ||
        strcmp(name + EPOCH_DIGITS + 1 + PRODUCER_DIGITS, SEGMENT_SUFFIX) != 0) {
        return false;
    }
    if (e == 0 || e > INT32_MAX || f > INT64_MAX) {
        return false;
    }
    *epoch = e;
    *first = f;
    return true;
}

void spool_control_init(struct spool_control *control, uint64_t producer_id, uint32_t node_id, uint32_t flags,
                        int64_t now_us)
{
    memset(control, 0, sizeof *control);
    control->magic = SPOOL_MAGIC;
    control->version = SPOOL_VERSION;
    control->node_id = node_id;
    control->producer_id = producer_id;
    control->created_us = now_us;
    control->flags = flags;
    control->crc32c = crc32c(0, control, CONTROL_CRC_BYTES);
}

int spool_control_check(const struct spool_control *control, uint64_t producer_id, struct err *err)
{
    if (control->magic != SPOOL_MAGIC) {
        return err_set(err, ERR_INVALID, "producer file is none of this program, or its start is damaged");
    }
    if (control->crc32c != crc32c(0, control, CONTROL_CRC_BYTES)) {
        return err_set(err, ERR_INVALID, "producer file is damaged: its checksum is wrong");
    }
    if (control->version != SPOOL_VERSION) {
        return err_set(err, ERR_INVALID,
                       "producer file has version %" PRIu32
                       "; this program reads version %d: use the one that wrote it",
                       control->version, SPOOL_VERSION);
    }
    if (control->producer_id != producer_id) {
        return err_set(err, ERR_INVALID, "producer file is of producer %016" PRIx64 ", its folder of %016" PRIx64,
                       control->producer_id, producer_id);
    }
    return 0;
}

struct spool_epoch *spool_control_line(struct spool_control *control, uint64_t epoch)
{
    return &control->epochs[epoch % SPOOL_EPOCHS_KEPT];
}

bool spool_control_claimed(struct spool_control *control, uint64_t epoch, uint64_t *claimed)
{
    struct spool_epoch *line = spool_control_line(control, epoch);
    if (epoch == 0 || atomic_load(&line->epoch) != epoch) {
        return false;
    }
    *claimed = atomic_load(&line->claimed);
    return true;
}

static struct flock lock_of(enum spool_lock lock)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)lock, .l_len = 1};
}

bool spool_lock_take(int fd, enum spool_lock lock)
{
    struct flock want = lock_of(lock);
    return fcntl(fd, F_OFD_SETLK, &want) == 0;
}

bool spool_lock_held(int fd, enum spool_lock lock)
{
    struct flock want = lock_of(lock);
    /* When the kernel does not answer, the careful reading is "alive": then nothing is declared a hole. */
    return fcntl(fd, F_OFD_GETLK, &want) != 0 || want.l_type != F_UNLCK;
}

void segment_header_init(struct segment_header *header, uint64_t producer_id, uint64_t epoch, uint64_t first,
                         uint32_t slots, int64_t now_us)
{
    *header = (struct segment_header){
        .magic = SEGMENT_MAGIC,
        .version = SPOOL_VERSION,
        .slots = slots,
        .producer_id = producer_id,
        .epoch = epoch,
        .first = first,
        .created_us = now_us,
    };
    header->crc32c = crc32c(0, header, HEADER_CRC_BYTES);
}

enum segment_state segment_header_check(const struct segment_header *header, uint64_t producer_id, uint64_t epoch,
                                        uint64_t first)
{
    if (header->magic != SEGMENT_MAGIC || header->crc32c != crc32c(0, header, HEADER_CRC_BYTES)) {
        return SEGMENT_DAMAGED;
    }
    if (header->version != SPOOL_VERSION) {
        return SEGMENT_FOREIGN;
    }
    bool same = header->producer_id == producer_id && header->epoch == epoch && header->first == first;
    return same && header->slots > 0 && header->slots <= SPOOL_SLOTS_MAX ? SEGMENT_GOOD : SEGMENT_DAMAGED;
}

static uint64_t load_first_word(const struct usage_record *slot)
{
    return __atomic_load_n((const uint64_t *)(const void *)slot, __ATOMIC_ACQUIRE);
}

bool slot_published(const struct usage_record *slot)
{
    return load_first_word(slot) != 0;
}

enum slot_state slot_check(const struct usage_record *slot, uint64_t sequence)
{
    if (!slot_published(slot)) {
        return SLOT_EMPTY;
    }
    bool good = usage_record_valid(slot) && slot->sequence == sequence && usage_record_fits(slot);
    return good ? SLOT_GOOD : SLOT_DAMAGED;
}

void slot_publish(struct usage_record *slot, const struct usage_record *record, uint64_t sequence)
{
    struct usage_record ready = *record;
    uint64_t word;
    ready.sequence = sequence;
    usage_record_seal(&ready);
    memcpy(&word, &ready, sizeof word);
    memcpy((uint8_t *)slot + sizeof word, (const uint8_t *)&ready + sizeof word, sizeof ready - sizeof word);
    __atomic_store_n((uint64_t *)(void *)slot, word, __ATOMIC_RELEASE);
}
