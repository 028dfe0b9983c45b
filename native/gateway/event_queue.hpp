// The rare things that the owner of an orderer decides about, in the order in which they happened.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "wire/records.hpp"

namespace tmr {

struct Event {
  enum class Type : std::uint8_t {
    /// This upstream's vote differs from the two that agree; nothing it says counts until it is streamed to again.
    diverged,
    /// The answers to this batch cannot agree.
    split,
    /// A client proved an answer from a position that this log does not have.
    missing,
    /// A proposal was carried; `record` is its result, `blob` what belongs to it.
    proposed,
  };
  Type type;
  std::uint8_t upstream = 0;
  std::uint64_t position = 0;
  std::uint8_t record[RESULT_BYTES] = {};
  std::vector<std::uint8_t> blob = {};
};

/// Bounded by what can cause events: three upstreams, the batches in flight, the proposals, and one highest mark.
class EventQueue {
 public:
  void push(Event event) { events_.push_back(std::move(event)); }

  void diverged(int upstream, std::uint64_t position) {
    push({.type = Event::Type::diverged, .upstream = static_cast<std::uint8_t>(upstream), .position = position});
  }
  void split(std::uint64_t position) { push({.type = Event::Type::split, .position = position}); }
  void missing(std::uint64_t position) { push({.type = Event::Type::missing, .position = position}); }
  void proposed(std::uint64_t position, const std::uint8_t* record, Bytes blob) {
    Event event{.type = Event::Type::proposed, .position = position};
    std::memcpy(event.record, record, RESULT_BYTES);
    event.blob.assign(blob.begin(), blob.end());
    push(std::move(event));
  }

  std::optional<Event> take() {
    if (events_.empty()) return std::nullopt;
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

 private:
  std::deque<Event> events_;
};

}  // namespace tmr
