/*
 * Goal: a proof from a stranger is read or refused, never half read; what was read is written and read again the same;
 *       checking ends, and only a proof whose lines and paths fit together holds.
 */
#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "reports/proof.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proof proof;
    struct proof again;
    struct err err = {0};
    struct buf out = {0};
    if (proof_read((const char *)data, size, &proof, &err) != 0) {
        CHECK(err.code == ERR_INVALID || err.code == ERR_LIMIT);
        return 0;
    }
    bool holds = proof_check(&proof, &err) == 0;
    proof_write(&proof, &out);
    CHECK(proof_read(buf_text(&out), out.length, &again, &err) == 0);
    CHECK(strcmp(proof.record, again.record) == 0 && strcmp(proof.day, again.day) == 0 &&
          memcmp(&proof.root, &again.root, sizeof proof.root) == 0);
    CHECK((proof_check(&again, &err) == 0) == holds);
    proof.root.bytes[size % SHA256_BYTES] ^= 1;
    CHECK(proof_check(&proof, &err) != 0);
    buf_free(&out);
    return 0;
}
