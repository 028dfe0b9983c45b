// The load: N clients with one or more checkouts in flight each, in one thread around one epoll. A checkout is the pair
// access -> release. Closed loop: a lane begins its next checkout when the last one ended. Open loop: checkouts begin at
// a fixed rate whether or not earlier ones have ended, and latency counts from the moment at which one was due.
//
// Follows the client rules of docs/protocol-clients.md: request numbers, answeredBelow, marks, repetition of what is
// unanswered at either server. Every answer's status is looked at; one that cannot be right is counted and named.
#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <queue>
#include <vector>

#include "client.hpp"
#include "histogram.hpp"

namespace tmr::bench {

struct LoadOptions {
  std::array<sockaddr_in, 2> servers{};
  std::array<std::uint8_t, 32> server_key{};
  /// the server that is asked first
  std::uint8_t first_server = 0;
  std::uint32_t clients = 1;
  std::uint32_t lanes = 1;
  std::uint32_t firm_code = 0;
  std::uint32_t product_code = 0;
  /// checkouts per second, 0 = closed loop
  double rate = 0;
  /// never more than this many may be out at once, 0 = not looked at
  std::uint32_t seats = 0;
  std::uint64_t hold_ns = 0;
  /// pause before a lane that was denied asks again
  std::uint64_t denied_ns = 1'000'000;
  /// a connection that owes an answer is given up after this silence
  std::uint64_t suspect_ns = 600'000'000;
};

struct LoadCounts {
  std::uint64_t checkouts = 0;
  std::uint64_t requests = 0;
  std::uint64_t denied = 0;
  std::uint64_t most_out = 0;
  std::uint64_t over_allocated = 0;
  std::uint64_t repeated = 0;
  std::uint64_t reconnects = 0;
  std::uint64_t late = 0;
  std::uint64_t no_quorum = 0;
  std::uint64_t not_active = 0;
  std::uint64_t busy = 0;
  /// answers that cannot be right
  std::uint64_t unexpected = 0;
  std::uint8_t unexpected_kind = 0;
  std::uint16_t unexpected_status = 0;
  /// the longest time without an answered checkout, and when it began after the window did
  std::uint64_t gap_ns = 0;
  std::uint64_t gap_at_ns = 0;
  /// open loop: the most checkouts that were due and had no free lane
  std::uint64_t most_behind = 0;
};

class Load {
 public:
  explicit Load(const LoadOptions& options);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  /// Opens every session. False: not all are open after this time.
  bool open(std::uint64_t limit_ns) noexcept;
  /// Lets the checkouts begin.
  void start() noexcept;
  void run(std::uint64_t duration_ns) noexcept;
  /// What is completed (open loop: what is due) from here on is measured.
  void begin_window() noexcept;
  void end_window() noexcept;
  /// Begins no further checkout and waits for those under way. Returns how many are left.
  std::size_t drain(std::uint64_t limit_ns) noexcept;
  /// Closes every session. Returns how many did not answer.
  std::size_t close(std::uint64_t limit_ns) noexcept;

  const LoadCounts& counts() const noexcept { return counts_; }
  const Histogram& checkouts() const noexcept { return checkout_times_; }
  const Histogram& requests() const noexcept { return request_times_; }

 private:
  enum class Mode : std::uint8_t { opening, running, draining, closing };
  enum class TimerKind : std::uint8_t { hold_ends, ask_again, repeat, dial };
  struct Timer {
    std::uint64_t at;
    TimerKind kind;
    std::uint32_t client;
    std::uint32_t lane;
    bool operator>(const Timer& other) const noexcept { return at > other.at; }
  };
  class Sink;

  template <typename Done>
  bool run_until(std::uint64_t end, Done done) noexcept;
  void turn(std::uint64_t end) noexcept;
  void on_event(std::uint64_t tag, std::uint32_t events) noexcept;
  void run_timers() noexcept;
  void run_arrivals() noexcept;
  void flush_dirty() noexcept;
  void look_for_silence() noexcept;

  void dial(std::uint32_t client) noexcept;
  void lost(std::uint32_t client) noexcept;
  void came_up(std::uint32_t client) noexcept;
  void not_active(std::uint32_t client) noexcept;
  void change_server(std::uint32_t client) noexcept;
  void repeat_later(std::uint32_t client) noexcept;

  void take_result(std::uint32_t client, const std::uint8_t* result) noexcept;
  void granted(std::uint32_t client, std::uint32_t lane, const std::uint8_t* result) noexcept;
  void completed(std::uint32_t client, std::uint32_t lane) noexcept;
  void unexpected(const std::uint8_t* result) noexcept;
  void note_gap(std::uint64_t until) noexcept;
  void begin(std::uint32_t client, std::uint32_t lane, std::uint64_t started_at) noexcept;
  void give_back(std::uint32_t client, std::uint32_t lane) noexcept;
  void issue(std::uint32_t client, std::uint32_t lane) noexcept;
  void idle(std::uint32_t client, std::uint32_t lane) noexcept;
  void mark_dirty(std::uint32_t client) noexcept;
  void plan(std::uint64_t at, TimerKind kind, std::uint32_t client, std::uint32_t lane = 0) noexcept;

  const LoadOptions options_;
  const int epoll_;
  Mode mode_ = Mode::opening;
  std::uint64_t now_ = 0;
  std::uint64_t random_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint8_t> scratch_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<Timer>> timers_;
  std::array<std::uint64_t, 2> failed_at_{};
  std::uint64_t next_look_ = 0;
  std::size_t opened_ = 0;
  std::size_t closed_ = 0;
  std::size_t under_way_ = 0;

  // open loop
  std::deque<std::pair<std::uint32_t, std::uint32_t>> free_lanes_;
  std::deque<std::uint64_t> due_;
  std::uint64_t first_arrival_ = 0;
  std::uint64_t arrivals_ = 0;

  bool measuring_ = false;
  std::uint64_t window_from_ = UINT64_MAX;
  std::uint64_t window_to_ = UINT64_MAX;
  std::uint64_t last_completed_ = 0;
  std::uint64_t out_ = 0;
  LoadCounts counts_;
  Histogram checkout_times_;
  Histogram request_times_;
};

}  // namespace tmr::bench
