// The frame of every decrypted message: 16 bytes of header, then the body. ts/wire/message.ts holds the same numbers.
#pragma once

#include <optional>

#include "base/bytes.hpp"
#include "wire/field.hpp"

namespace tmr {

inline constexpr std::size_t MESSAGE_HEADER_BYTES = 16;
inline constexpr std::uint8_t MESSAGE_VERSION = 1;
/// Between client and server: one encrypted frame.
inline constexpr std::size_t MAX_PACKET_BYTES = 65'000;
/// Between servers: a full batch, or one burst of log or snapshot.
inline constexpr std::size_t MAX_LINK_MESSAGE_BYTES = 8 * 1024 * 1024;
/// Three incarnations of 16 bytes, upstream 1 first.
inline constexpr std::size_t MEMBERS_BYTES = 48;

// clang-format off
#define TMR_MESSAGE_FIELDS(X) X(type, 0, 1) X(version, 1, 1) X(reserved, 2, 2) X(bodyBytes, 4, 4) X(count, 8, 4) X(blobBytes, 12, 4)

#define TMR_MESSAGE_TYPES(X)                                                                          \
  X(requests, 1) X(results, 2)                                                                        \
  X(prepare, 16) X(promise, 17) X(refused, 18) X(blank, 19) X(found, 20) X(probe, 21) X(probed, 22)   \
  X(fetch, 23) X(entries, 24) X(snapshot, 25) X(extend, 26) X(extended, 27) X(install, 28)            \
  X(sync, 29) X(synced, 30) X(append, 31) X(vote, 32) X(behind, 33) X(ping, 34) X(pong, 35)           \
  X(holding, 36) X(reset, 37) X(attest, 38) X(attested, 39) X(askContext, 40) X(contextIs, 41)        \
  X(update, 42) X(updated, 43) X(vouch, 44) X(vouched, 45) X(heartbeat, 48) X(hello, 49)       \
  X(handOver, 50) X(handOverReply, 51)
// clang-format on

TMR_DECLARE_FIELDS(MessageField, TMR_MESSAGE_FIELDS, MESSAGE_HEADER_BYTES)

enum class MessageType : std::uint8_t {
#define TMR_MESSAGE_TYPE_MEMBER(name, number) name = number,
  TMR_MESSAGE_TYPES(TMR_MESSAGE_TYPE_MEMBER)
#undef TMR_MESSAGE_TYPE_MEMBER
};

/// A message whose header describes exactly its bytes.
struct MessageView {
  MessageType type;
  std::uint32_t count;
  std::uint32_t blob_bytes;
  Bytes body;
};

/// Nothing when the version, the reserved bytes or the length are wrong. The type may be one that is not named.
std::optional<MessageView> parse_message(Bytes message) noexcept;

/// A message whose body, after `prefix_bytes`, is `count` records of 128 bytes and the blob area.
struct RecordsView {
  Bytes prefix;
  Bytes records;
  Bytes blobs;
  std::uint32_t count;
};

/// Nothing when count and blob size do not add up to the body. `count` may be zero only with no blobs.
std::optional<RecordsView> split_records(const MessageView& message, std::size_t prefix_bytes) noexcept;

/// Writes the 16 bytes of a header.
void write_message_header(MutableBytes out, MessageType type, std::size_t body_bytes, std::uint32_t count,
                          std::size_t blob_bytes) noexcept;

}  // namespace tmr
