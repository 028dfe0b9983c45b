#include "wire/records.hpp"

namespace tmr {

namespace {

bool is_blob_inside(const std::uint8_t* record, std::size_t blob_bytes) noexcept {
  const std::uint64_t offset = load_u32(record + RequestField::blobOffset);
  const std::uint64_t length = load_u32(record + RequestField::blobLength);
  return length == 0 ? offset == 0 : offset + length <= blob_bytes;
}

bool is_zero_between(const std::uint8_t* record, std::size_t from, std::size_t to) noexcept {
  return is_zero({record + from, to - from});
}

}  // namespace

bool is_well_formed_request(const std::uint8_t* record, std::size_t blob_bytes) noexcept {
  return load_u16(record + RequestField::flags) == 0 &&
         is_safe_u64(record + RequestField::request) &&
         is_safe_u64(record + RequestField::answeredBelow) &&
         is_safe_u64(record + RequestField::handle) &&
         is_safe_u64(record + RequestField::durationMs) &&
         is_safe_u64(record + RequestField::mark) &&
         is_zero_between(record, RequestField::reserved, RequestField::markProof) &&
         is_zero_between(record, RequestField::tail, REQUEST_BYTES) &&
         is_blob_inside(record, blob_bytes);
}

bool is_well_formed_result(const std::uint8_t* record, std::size_t blob_bytes) noexcept {
  return is_safe_u64(record + ResultField::request) &&
         is_safe_u64(record + ResultField::handle) &&
         is_safe_u64(record + ResultField::validUntilMs) &&
         is_safe_u64(record + ResultField::mark) &&
         is_safe_u64(record + ResultField::nextExpiryMs) &&
         is_zero_between(record, ResultField::markProof, ResultField::nextExpiryMs) &&
         is_zero_between(record, ResultField::tail, RESULT_BYTES) &&
         load_u32(record + ResultField::blobLength) <= MAX_RESULT_BLOB_BYTES &&
         is_blob_inside(record, blob_bytes);
}

}  // namespace tmr
