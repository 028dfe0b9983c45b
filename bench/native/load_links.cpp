// The load's connections: which server a client talks to, and when it tries again.
#include <algorithm>

#include "load.hpp"

namespace tmr::bench {

namespace {

constexpr std::uint64_t millisecond = 1'000'000;
constexpr std::uint64_t second = 1000 * millisecond;
/// Between rounds of attempts: 50 ms, doubled up to 1 s (docs/protocol-clients.md section 6).
constexpr std::uint64_t first_pause = 50 * millisecond;
constexpr std::uint32_t max_doublings = 4;
constexpr std::uint64_t repeat_pause = 25 * millisecond;

}  // namespace

void Load::dial(std::uint32_t index) noexcept {
  Client& client = *clients_[index];
  client.generation++;
  client.waiting_since = now_;
  const std::uint64_t tag = std::uint64_t{client.generation} << 32 | index;
  if (!client.link.dial(options_.servers[client.server], epoll_, tag, options_.server_key)) lost(index);
}

/// The other server is tried at once, unless it has just failed too: then after a pause that grows.
void Load::lost(std::uint32_t index) noexcept {
  Client& client = *clients_[index];
  client.link.close();
  client.generation++;
  client.leaving = false;
  if (client.closed) return;
  counts_.reconnects++;
  failed_at_[client.server] = now_;
  client.server ^= 1;
  const bool other_failed = failed_at_[client.server] != 0 && now_ - failed_at_[client.server] < first_pause;
  if (client.failures == 0 && !other_failed) {
    client.failures++;
    return plan(now_, TimerKind::dial, index);
  }
  random_ = random_ * 6364136223846793005ULL + 1442695040888963407ULL;
  const std::uint64_t pause = first_pause << std::min(client.failures / 2, max_doublings);
  client.failures++;
  plan(now_ + pause / 2 + (random_ >> 33) % (pause / 2), TimerKind::dial, index);
}

void Load::came_up(std::uint32_t index) noexcept {
  Client& client = *clients_[index];
  client.waiting_since = now_;
  if (!client.opened && client.unanswered() == 0) client.issue(Kind::openSession, 0, now_);
  else counts_.repeated += client.repeat(false);
}

/// The other server is tried; when it has just failed, this one may be about to take over: stay and repeat.
void Load::not_active(std::uint32_t index) noexcept {
  Client& client = *clients_[index];
  counts_.not_active++;
  const std::uint64_t failed = failed_at_[client.server ^ 1];
  if (failed != 0 && now_ - failed < second) return repeat_later(index);
  // The link is busy with the message that says so: it is closed when that call has returned.
  client.leaving = true;
}

void Load::change_server(std::uint32_t index) noexcept {
  Client& client = *clients_[index];
  client.leaving = false;
  client.server ^= 1;
  client.link.close();
  client.generation++;
  // Both may say so for a moment: no rush from one to the other.
  plan(now_ + (client.failures++ == 0 ? 0 : repeat_pause), TimerKind::dial, index);
}

void Load::repeat_later(std::uint32_t index) noexcept {
  Client& client = *clients_[index];
  if (client.repeat_planned) return;
  client.repeat_planned = true;
  plan(now_ + repeat_pause, TimerKind::repeat, index);
}

}  // namespace tmr::bench
