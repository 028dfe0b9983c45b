#include "wire/batch.hpp"

namespace tmr {

void write_batch_header(MutableBytes out, const BatchHeader& header, Bytes previous) noexcept {
  ByteWriter writer(out.first(BATCH_HEADER_BYTES));
  writer.u32(BATCH_MAGIC);
  writer.u16(BATCH_VERSION);
  writer.u8(header.reached);
  writer.u8(0);
  writer.u64(header.epoch);
  writer.u64(header.position);
  writer.u64(header.log_ms);
  writer.u64(header.calendar_ms);
  writer.u32(header.count);
  writer.u32(header.blob_bytes);
  writer.bytes(previous);
  writer.zeros(DIGEST_BYTES);
  writer.u64(header.carried);
  for (const std::uint64_t position : header.acknowledged) writer.u64(position);
  writer.zeros(writer.left());
}

bool is_well_formed_batch(Bytes batch) noexcept {
  if (batch.size() < BATCH_HEADER_BYTES) return false;
  const std::uint8_t* at = batch.data();
  const std::uint64_t count = load_u32(at + BatchField::count);
  const std::uint64_t blob_bytes = load_u32(at + BatchField::blobBytes);
  if (load_u32(at + BatchField::magic) != BATCH_MAGIC || load_u16(at + BatchField::version) != BATCH_VERSION ||
      at[BatchField::reached] > 7 || at[BatchField::reserved] != 0 || count == 0 || count > MAX_BATCH_RECORDS ||
      blob_bytes > MAX_BATCH_BLOB_BYTES || batch.size() != BATCH_HEADER_BYTES + count * REQUEST_BYTES + blob_bytes ||
      !is_zero(batch.subspan(BatchField::tail, BATCH_HEADER_BYTES - BatchField::tail))) {
    return false;
  }
  for (const std::size_t offset : {BatchField::epoch, BatchField::position, BatchField::logMs, BatchField::calendarMs,
                                   BatchField::carried, BatchField::acknowledged, BatchField::acknowledged + 8,
                                   BatchField::acknowledged + 16}) {
    if (!is_safe_u64(at + offset)) return false;
  }
  for (std::size_t i = 0; i < count; i++) {
    if (!is_well_formed_request(at + BATCH_HEADER_BYTES + i * REQUEST_BYTES, blob_bytes)) return false;
  }
  return true;
}

Digest batch_mac(Hasher& hasher, Bytes mac_key, Bytes batch) noexcept {
  static constexpr Digest zero{};
  constexpr std::size_t after = BatchField::mac + DIGEST_BYTES;
  return hasher.hmac_sha256(mac_key, {batch.first(BatchField::mac), zero, batch.subspan(after)});
}

}  // namespace tmr
