#include "wire/records.hpp"

#include <initializer_list>

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

/// All at once: an integer is safe when none of its high bits is set, so many are when none is in any of them.
bool are_safe_u64(const std::uint8_t* record, std::initializer_list<std::size_t> fields) noexcept {
  static_assert((max_wire_integer & (max_wire_integer + 1)) == 0);
  std::uint64_t any = 0;
  for (const std::size_t field : fields) any |= load_u64(record + field);
  return any <= max_wire_integer;
}

}  // namespace

bool is_well_formed_request(const std::uint8_t* record, std::size_t blob_bytes) noexcept {
  return load_u16(record + RequestField::flags) == 0 &&
         are_safe_u64(record, {RequestField::request, RequestField::answeredBelow, RequestField::handle,
                               RequestField::durationMs, RequestField::mark, RequestField::releaseMs}) &&
         is_zero_between(record, RequestField::reserved, RequestField::markProof) &&
         is_blob_inside(record, blob_bytes);
}

bool is_well_formed_result(const std::uint8_t* record, std::size_t blob_bytes) noexcept {
  return are_safe_u64(record, {ResultField::request, ResultField::handle, ResultField::validUntilMs, ResultField::mark,
                               ResultField::nextExpiryMs}) &&
         is_zero_between(record, ResultField::markProof, ResultField::nextExpiryMs) &&
         is_zero_between(record, ResultField::tail, RESULT_BYTES) &&
         load_u32(record + ResultField::blobLength) <= MAX_RESULT_BLOB_BYTES &&
         is_blob_inside(record, blob_bytes);
}

}  // namespace tmr
