// The request record and the result record: 128 bytes each, little-endian, reserved bytes zero.
// ts/wire/request.ts and ts/wire/result.ts hold the same numbers and say what each field means.
#pragma once

#include "base/bytes.hpp"
#include "wire/field.hpp"

namespace tmr {

inline constexpr std::size_t REQUEST_BYTES = 128;
inline constexpr std::size_t RESULT_BYTES = 128;
inline constexpr std::size_t SESSION_BYTES = 16;
inline constexpr std::size_t ADDRESS_BYTES = 16;
inline constexpr std::size_t MAX_REQUEST_BLOB_BYTES = 4096;
inline constexpr std::size_t MAX_RESULT_BLOB_BYTES = 32'768;
inline constexpr std::size_t mark_proof_bytes = 8;

// clang-format off
#define TMR_REQUEST_FIELDS(X)                                                                     \
  X(kind, 0, 1) X(mode, 1, 1) X(flags, 2, 2) X(quantity, 4, 4) X(request, 8, 8)                   \
  X(session, 16, 16) X(answeredBelow, 32, 8) X(firmCode, 40, 4) X(productCode, 44, 4)             \
  X(featureMap, 48, 4) X(itemRef, 52, 4) X(handle, 56, 8) X(durationMs, 64, 8) X(mark, 72, 8)     \
  X(blobOffset, 80, 4) X(blobLength, 84, 4) X(cursor, 88, 4) X(reserved, 92, 4)                   \
  X(markProof, 96, 8) X(releaseMs, 104, 8) X(address, 112, 16)

#define TMR_RESULT_FIELDS(X)                                                                      \
  X(kind, 0, 1) X(mode, 1, 1) X(status, 2, 2) X(quantity, 4, 4) X(request, 8, 8)                  \
  X(session, 16, 16) X(handle, 32, 8) X(firmCode, 40, 4) X(productCode, 44, 4) X(itemRef, 48, 4)  \
  X(free, 52, 4) X(total, 56, 4) X(mask, 60, 4) X(serial, 64, 4) X(heartbeatMs, 68, 4)            \
  X(validUntilMs, 72, 8) X(blobOffset, 80, 4) X(blobLength, 84, 4) X(nextCursor, 88, 4)           \
  X(timeoutMs, 92, 4) X(mark, 96, 8) X(markProof, 104, 8) X(nextExpiryMs, 112, 8) X(units, 120, 4) X(tail, 124, 4)
// clang-format on

TMR_DECLARE_FIELDS(RequestField, TMR_REQUEST_FIELDS, REQUEST_BYTES)
TMR_DECLARE_FIELDS(ResultField, TMR_RESULT_FIELDS, RESULT_BYTES)

// Routing reads these without knowing which of the two records it has in hand.
static_assert(REQUEST_BYTES == RESULT_BYTES);
static_assert(RequestField::kind == ResultField::kind && RequestField::request == ResultField::request);
static_assert(RequestField::session == ResultField::session);
static_assert(RequestField::blobOffset == ResultField::blobOffset && RequestField::blobLength == ResultField::blobLength);

/// True for the u64 at `at` when JavaScript can hold it exactly.
constexpr bool is_safe_u64(const std::uint8_t* at) noexcept { return load_u64(at) <= max_wire_integer; }

/// True when the request record at `record` keeps the format: integers in range, reserved bytes zero, blob inside an
/// area of `blob_bytes`. Says nothing about the kind.
bool is_well_formed_request(const std::uint8_t* record, std::size_t blob_bytes) noexcept;

/// The same for a result record as it stands in a vote: its mark proof is zero, its blob at most MAX_RESULT_BLOB_BYTES.
bool is_well_formed_result(const std::uint8_t* record, std::size_t blob_bytes) noexcept;

/// The blob of a well-formed record of either kind.
inline Bytes blob_of(const std::uint8_t* record, Bytes blobs) noexcept {
  return blobs.subspan(load_u32(record + RequestField::blobOffset), load_u32(record + RequestField::blobLength));
}

/// Points a record of either kind to its blob; an empty blob is at offset zero.
inline void set_blob_range(std::uint8_t* record, std::size_t offset, std::size_t length) noexcept {
  store_u32(record + RequestField::blobOffset, length == 0 ? 0 : static_cast<std::uint32_t>(offset));
  store_u32(record + RequestField::blobLength, static_cast<std::uint32_t>(length));
}

}  // namespace tmr
