// One generated client: its session, its request numbers and what is not answered yet. Knows no clock and no socket but
// its link; what to ask next is the load's business.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "link.hpp"
#include "wire/kinds.hpp"
#include "wire/records.hpp"

namespace tmr::bench {

/// A request that was issued and not answered. Its record never changes: it may be sent again.
struct Pending {
  bool used = false;
  /// answered with a status that asks for a repetition
  bool postponed = false;
  std::uint32_t lane = 0;
  std::uint64_t sent_at = 0;
  std::array<std::uint8_t, REQUEST_BYTES> record{};

  std::uint64_t request() const noexcept { return load_u64(record.data() + RequestField::request); }
  Kind kind() const noexcept { return static_cast<Kind>(record[RequestField::kind]); }
};

/// One checkout at a time: a client has as many lanes as it may have requests in flight.
struct Lane {
  enum class Phase : std::uint8_t { idle, asking, holding, returning };
  Phase phase = Phase::idle;
  bool measured = false;
  std::uint64_t handle = 0;
  /// when the checkout began, or should have begun
  std::uint64_t started_at = 0;
};

class Client {
 public:
  Client(std::uint32_t lanes, Bytes session_bytes);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// False: as many requests are open as a server remembers answers for.
  bool has_room() const noexcept { return next_request_ < answered_below_ + window_.size(); }
  std::size_t unanswered() const noexcept { return unanswered_; }

  /// Takes the next request number; the caller fills in the rest of the record before flush().
  std::uint8_t* issue(Kind kind, std::uint32_t lane, std::uint64_t now) noexcept;
  /// The open request that this result answers, or nullptr.
  Pending* find(const std::uint8_t* result) noexcept;
  /// The request is answered for good. `pending` is free afterwards.
  void settle(Pending& pending, const std::uint8_t* result) noexcept;
  /// Stages what is unanswered, in order: all of it, or only what was postponed. Returns how many.
  std::size_t repeat(bool only_postponed) noexcept;
  /// Sends what is staged as one message. False: the link is lost.
  bool flush() noexcept;

  Link link;
  std::vector<Lane> lanes;
  /// lanes that found no room
  std::deque<std::uint32_t> stalled;
  std::uint8_t server = 0;
  bool opened = false;
  bool closed = false;
  /// is in the load's list of clients to be flushed
  bool dirty = false;
  bool repeat_planned = false;
  /// the server said that it is not the active one
  bool leaving = false;
  std::uint32_t failures = 0;
  /// when the link was dialled, last heard, or first owed an answer: the latest of them
  std::uint64_t waiting_since = 0;
  std::uint32_t generation = 0;

 private:
  Pending& slot(std::uint64_t request) noexcept { return window_[request & (window_.size() - 1)]; }

  std::array<std::uint8_t, SESSION_BYTES> session_;
  std::array<std::uint8_t, mark_proof_bytes> proof_{};
  std::uint64_t mark_ = 0;
  std::uint64_t next_request_ = 1;
  std::uint64_t answered_below_ = 1;
  std::size_t unanswered_ = 0;
  std::vector<Pending> window_;
  std::vector<std::uint64_t> staged_;
};

}  // namespace tmr::bench
