#include "wire/message.hpp"

#include "wire/records.hpp"

namespace tmr {

std::optional<MessageView> parse_message(Bytes message) noexcept {
  if (message.size() < MESSAGE_HEADER_BYTES) return std::nullopt;
  const std::uint8_t* header = message.data();
  if (header[MessageField::version] != MESSAGE_VERSION || load_u16(header + MessageField::reserved) != 0 ||
      load_u32(header + MessageField::bodyBytes) != message.size() - MESSAGE_HEADER_BYTES) {
    return std::nullopt;
  }
  return MessageView{
      .type = static_cast<MessageType>(header[MessageField::type]),
      .count = load_u32(header + MessageField::count),
      .blob_bytes = load_u32(header + MessageField::blobBytes),
      .body = message.subspan(MESSAGE_HEADER_BYTES),
  };
}

std::optional<RecordsView> split_records(const MessageView& message, std::size_t prefix_bytes) noexcept {
  const std::uint64_t record_bytes = std::uint64_t{message.count} * RESULT_BYTES;
  if (prefix_bytes + record_bytes + message.blob_bytes != message.body.size()) return std::nullopt;
  if (message.count == 0 && message.blob_bytes != 0) return std::nullopt;
  return RecordsView{
      .prefix = message.body.first(prefix_bytes),
      .records = message.body.subspan(prefix_bytes, record_bytes),
      .blobs = message.body.subspan(prefix_bytes + record_bytes),
      .count = message.count,
  };
}

void write_message_header(MutableBytes out, MessageType type, std::size_t body_bytes, std::uint32_t count,
                          std::size_t blob_bytes) noexcept {
  ByteWriter writer(out.first(MESSAGE_HEADER_BYTES));
  writer.u8(static_cast<std::uint8_t>(type));
  writer.u8(MESSAGE_VERSION);
  writer.u16(0);
  writer.u32(static_cast<std::uint32_t>(body_bytes));
  writer.u32(count);
  writer.u32(static_cast<std::uint32_t>(blob_bytes));
}

}  // namespace tmr
