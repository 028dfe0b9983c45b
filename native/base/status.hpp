// Outcomes of engine calls. What a peer can cause is a status; what only a programmer can cause is an assert.
#pragma once

#include <cstdint>

namespace tmr {

enum class [[nodiscard]] Status : std::uint8_t {
  ok,
  /// The object was closed, by its owner or by bytes from the peer that were not genuine.
  closed,
  /// Authentication failed: altered, replayed, reordered, or made with another key.
  not_genuine,
  /// Genuine or not, the bytes do not keep the format.
  malformed,
  /// Longer than the limit that was agreed at start.
  too_long,
  /// The call is not the next one that the protocol allows.
  out_of_turn,
  /// A counter has reached its end; a new connection is needed.
  spent,
  /// A fixed pool or a bounded buffer is full.
  no_room,
  /// The crypto library could not do its work.
  crypto_failed,
};

/// The name of a status, for messages and tests.
constexpr const char* status_name(Status status) noexcept {
  switch (status) {
    case Status::ok: return "ok";
    case Status::closed: return "closed";
    case Status::not_genuine: return "not_genuine";
    case Status::malformed: return "malformed";
    case Status::too_long: return "too_long";
    case Status::out_of_turn: return "out_of_turn";
    case Status::spent: return "spent";
    case Status::no_room: return "no_room";
    case Status::crypto_failed: return "crypto_failed";
  }
  return "unknown";
}

}  // namespace tmr
