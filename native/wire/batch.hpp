// The batch: a header of 256 bytes, `count` request records, the blob area. ts/wire/batch.ts holds the same numbers.
#pragma once

#include "base/bytes.hpp"
#include "base/hasher.hpp"
#include "wire/field.hpp"
#include "wire/records.hpp"

namespace tmr {

inline constexpr std::size_t BATCH_HEADER_BYTES = 256;
inline constexpr std::uint32_t BATCH_MAGIC = 0x42'52'4d'54;
inline constexpr std::uint16_t BATCH_VERSION = 1;
inline constexpr std::size_t DIGEST_BYTES = 32;
inline constexpr std::size_t MAX_BATCH_RECORDS = 1024;
inline constexpr std::size_t MAX_BATCH_BLOB_BYTES = 4 * 1024 * 1024;
static_assert(DIGEST_BYTES == digest_bytes);

// clang-format off
#define TMR_BATCH_FIELDS(X)                                                                           \
  X(magic, 0, 4) X(version, 4, 2) X(reached, 6, 1) X(reserved, 7, 1) X(epoch, 8, 8)                   \
  X(position, 16, 8) X(logMs, 24, 8) X(calendarMs, 32, 8) X(count, 40, 4) X(blobBytes, 44, 4)         \
  X(previous, 48, 32) X(mac, 80, 32) X(carried, 112, 8) X(acknowledged, 120, 24) X(tail, 144, 112)
// clang-format on

TMR_DECLARE_FIELDS(BatchField, TMR_BATCH_FIELDS, BATCH_HEADER_BYTES)

struct BatchHeader {
  std::uint8_t reached;
  std::uint64_t epoch;
  std::uint64_t position;
  std::uint64_t log_ms;
  std::uint64_t calendar_ms;
  std::uint32_t count;
  std::uint32_t blob_bytes;
  std::uint64_t carried;
  std::uint64_t acknowledged[3];
};

/// Writes the header with its MAC field zero.
void write_batch_header(MutableBytes out, const BatchHeader& header, Bytes previous) noexcept;

/// Everything about a batch's bytes that needs no key and no log: sizes, ranges, reserved bytes.
bool is_well_formed_batch(Bytes batch) noexcept;

/// HMAC-SHA-256 under `mac_key` over the whole batch with its MAC field taken as zero.
Digest batch_mac(Hasher& hasher, Bytes mac_key, Bytes batch) noexcept;

}  // namespace tmr
