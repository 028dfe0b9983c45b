// In the order of one turn: wait, take what arrived, timers, arrivals, send; then checkouts, then what the caller does.
#include "load.hpp"

#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "wire/message.hpp"

namespace tmr::bench {

namespace {

constexpr std::uint64_t millisecond = 1'000'000;
constexpr std::uint64_t second = 1000 * millisecond;
constexpr std::uint64_t look_every = 50 * millisecond;
constexpr int events_per_turn = 256;
constexpr std::size_t scratch_bytes = 256 * 1024;

std::uint64_t monotonic() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * second + static_cast<std::uint64_t>(time.tv_nsec);
}

/// Fills with bytes of a cryptographic source: session bytes are a secret.
void fill_random(MutableBytes bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t count = ::getrandom(bytes.data(), bytes.size(), 0);
    if (count > 0) bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

StatusCode status_of(const std::uint8_t* result) noexcept {
  return static_cast<StatusCode>(load_u16(result + ResultField::status));
}

}  // namespace

/// Takes the messages of one client.
class Load::Sink final : public MessageSink {
 public:
  Sink(Load& load, std::uint32_t client) noexcept : load_(load), client_(client) {}
  Status message(MutableBytes bytes) noexcept override {
    const auto message = parse_message(bytes);
    if (!message || message->type != MessageType::results) return Status::malformed;
    const auto records = split_records(*message, 0);
    if (!records) return Status::malformed;
    for (std::uint32_t i = 0; i < records->count; i++) {
      load_.take_result(client_, records->records.data() + std::size_t{i} * RESULT_BYTES);
    }
    return Status::ok;
  }

 private:
  Load& load_;
  const std::uint32_t client_;
};

Load::Load(const LoadOptions& options)
    : options_(options), epoll_(::epoll_create1(EPOLL_CLOEXEC)), now_(monotonic()), scratch_(scratch_bytes) {
  std::array<std::uint8_t, SESSION_BYTES> session;
  for (std::uint32_t i = 0; i < options.clients; i++) {
    fill_random(session);
    clients_.push_back(std::make_unique<Client>(options.lanes, session));
    clients_.back()->server = options.first_server;
  }
  fill_random(MutableBytes(reinterpret_cast<std::uint8_t*>(&random_), sizeof random_));
  random_ |= 1;
}

Load::~Load() { ::close(epoll_); }

// One turn

template <typename Done>
bool Load::run_until(std::uint64_t end, Done done) noexcept {
  now_ = monotonic();
  while (!done()) {
    if (now_ >= end) return false;
    turn(end);
  }
  return true;
}

void Load::turn(std::uint64_t end) noexcept {
  std::uint64_t wake = std::min(end, next_look_);
  if (!timers_.empty()) wake = std::min(wake, timers_.top().at);
  if (options_.rate > 0 && mode_ == Mode::running) {
    wake = std::min(wake, first_arrival_ + static_cast<std::uint64_t>(static_cast<double>(arrivals_) * 1e9 / options_.rate));
  }
  const std::uint64_t wait = wake > now_ ? wake - now_ : 0;
  const timespec timeout{static_cast<time_t>(wait / second), static_cast<long>(wait % second)};
  epoll_event events[events_per_turn];
  const int count = ::epoll_pwait2(epoll_, events, events_per_turn, &timeout, nullptr);
  now_ = monotonic();
  for (int i = 0; i < count; i++) on_event(events[i].data.u64, events[i].events);
  run_timers();
  run_arrivals();
  look_for_silence();
  flush_dirty();
}

/// The tag holds the link's generation: what belongs to a connection that was closed in this turn is left out.
void Load::on_event(std::uint64_t tag, std::uint32_t events) noexcept {
  const auto index = static_cast<std::uint32_t>(tag);
  Client& client = *clients_[index];
  if (client.generation != tag >> 32) return;
  now_ = monotonic();
  const Link::State before = client.link.state();
  Sink sink(*this, index);
  const bool alive = client.link.on_event(events, scratch_, sink);
  if (!alive) return lost(index);
  if (client.leaving) return change_server(index);
  if (before != Link::State::up && client.link.state() == Link::State::up) came_up(index);
  // At once: the server can work on it while the other events are looked at.
  if (!client.flush()) lost(index);
}

void Load::run_timers() noexcept {
  while (!timers_.empty() && timers_.top().at <= now_) {
    const Timer timer = timers_.top();
    timers_.pop();
    Client& client = *clients_[timer.client];
    switch (timer.kind) {
      case TimerKind::hold_ends:
        give_back(timer.client, timer.lane);
        break;
      case TimerKind::ask_again:
        issue(timer.client, timer.lane);
        break;
      case TimerKind::repeat:
        client.repeat_planned = false;
        if (client.link.state() == Link::State::up) {
          counts_.repeated += client.repeat(true);
          client.waiting_since = now_;
          mark_dirty(timer.client);
        }
        break;
      case TimerKind::dial:
        if (client.link.state() == Link::State::down) dial(timer.client);
        break;
    }
  }
}

void Load::run_arrivals() noexcept {
  if (options_.rate <= 0 || mode_ != Mode::running) return;
  for (;;) {
    const auto after = static_cast<std::uint64_t>(static_cast<double>(arrivals_) * 1e9 / options_.rate);
    if (first_arrival_ + after > now_) break;
    arrivals_++;
    due_.push_back(first_arrival_ + after);
  }
  while (!due_.empty() && !free_lanes_.empty()) {
    const auto [client, lane] = free_lanes_.front();
    free_lanes_.pop_front();
    begin(client, lane, due_.front());
    due_.pop_front();
  }
  if (measuring_) counts_.most_behind = std::max<std::uint64_t>(counts_.most_behind, due_.size());
}

void Load::flush_dirty() noexcept {
  for (std::size_t i = 0; i < dirty_.size(); i++) {
    const std::uint32_t index = dirty_[i];
    clients_[index]->dirty = false;
    if (!clients_[index]->flush()) lost(index);
  }
  dirty_.clear();
}

void Load::look_for_silence() noexcept {
  if (now_ < next_look_) return;
  next_look_ = now_ + look_every;
  for (std::uint32_t i = 0; i < clients_.size(); i++) {
    Client& client = *clients_[i];
    const bool owes = client.unanswered() > 0 && client.link.state() != Link::State::down;
    if (owes && !client.repeat_planned && now_ > client.waiting_since + options_.suspect_ns) lost(i);
  }
}

// Checkouts

void Load::take_result(std::uint32_t index, const std::uint8_t* result) noexcept {
  Client& client = *clients_[index];
  if (client.leaving) return;
  client.waiting_since = now_;
  const StatusCode status = status_of(result);
  if (result[ResultField::kind] == static_cast<std::uint8_t>(Kind::notice)) {
    return status == StatusCode::not_active ? not_active(index) : unexpected(result);
  }
  Pending* pending = client.find(result);
  if (pending == nullptr) {
    counts_.late++;
    return;
  }
  if (is_retryable(status)) {
    pending->postponed = true;
    if (status == StatusCode::not_active) return not_active(index);
    (status == StatusCode::busy ? counts_.busy : counts_.no_quorum)++;
    return repeat_later(index);
  }
  const Kind kind = pending->kind();
  const std::uint32_t lane = pending->lane;
  if (measuring_) {
    counts_.requests++;
    request_times_.record(now_ - pending->sent_at);
  }
  client.failures = 0;
  client.settle(*pending, result);
  if (kind == Kind::access && status == StatusCode::no_free_license) {
    if (measuring_) counts_.denied++;
    plan(now_ + options_.denied_ns, TimerKind::ask_again, index, lane);
  } else if (status != StatusCode::ok) {
    unexpected(result);
    if (kind == Kind::access || kind == Kind::release) idle(index, lane);
  } else if (kind == Kind::access) {
    granted(index, lane, result);
  } else if (kind == Kind::release) {
    completed(index, lane);
  } else if (kind == Kind::openSession) {
    client.opened = true;
    opened_++;
  } else if (kind == Kind::closeSession) {
    client.closed = true;
    closed_++;
  }
  while (!client.stalled.empty() && client.has_room()) {
    const std::uint32_t waiting = client.stalled.front();
    client.stalled.pop_front();
    issue(index, waiting);
  }
}

/// What clients hold between the grant that they saw and the release that they send is less than what the system has
/// given out: more than the seats at any moment is an over-allocation for certain.
void Load::granted(std::uint32_t index, std::uint32_t lane_index, const std::uint8_t* result) noexcept {
  Lane& lane = clients_[index]->lanes[lane_index];
  lane.handle = load_u64(result + ResultField::handle);
  const bool right = lane.handle != 0 && load_u32(result + ResultField::quantity) == 1 &&
                     load_u32(result + ResultField::productCode) == options_.product_code;
  if (!right) unexpected(result);
  out_++;
  counts_.most_out = std::max(counts_.most_out, out_);
  if (options_.seats > 0 && out_ > options_.seats) counts_.over_allocated++;
  lane.phase = Lane::Phase::holding;
  if (options_.hold_ns == 0) give_back(index, lane_index);
  else plan(now_ + options_.hold_ns, TimerKind::hold_ends, index, lane_index);
}

void Load::give_back(std::uint32_t index, std::uint32_t lane) noexcept {
  out_--;
  clients_[index]->lanes[lane].phase = Lane::Phase::returning;
  issue(index, lane);
}

void Load::completed(std::uint32_t index, std::uint32_t lane_index) noexcept {
  const Lane& lane = clients_[index]->lanes[lane_index];
  // Open loop: what was due within the window counts, whenever it ends. Closed loop: what ends within it.
  if (options_.rate > 0 ? lane.measured : measuring_) {
    counts_.checkouts++;
    checkout_times_.record(now_ - lane.started_at);
  }
  note_gap(now_);
  last_completed_ = now_;
  idle(index, lane_index);
}

void Load::idle(std::uint32_t index, std::uint32_t lane_index) noexcept {
  clients_[index]->lanes[lane_index].phase = Lane::Phase::idle;
  under_way_--;
  if (options_.rate > 0) free_lanes_.emplace_back(index, lane_index);
  else if (mode_ == Mode::running) begin(index, lane_index, now_);
  if (options_.rate > 0) run_arrivals();
}

void Load::begin(std::uint32_t index, std::uint32_t lane_index, std::uint64_t started_at) noexcept {
  Lane& lane = clients_[index]->lanes[lane_index];
  lane.phase = Lane::Phase::asking;
  lane.started_at = started_at;
  lane.measured = started_at >= window_from_ && started_at < window_to_;
  under_way_++;
  issue(index, lane_index);
}

/// Sends what the lane's phase asks for, at the end of this turn at the latest.
void Load::issue(std::uint32_t index, std::uint32_t lane_index) noexcept {
  Client& client = *clients_[index];
  const Lane& lane = client.lanes[lane_index];
  if (!client.has_room()) {
    client.stalled.push_back(lane_index);
    return;
  }
  if (lane.phase == Lane::Phase::asking) {
    std::uint8_t* record = client.issue(Kind::access, lane_index, now_);
    record[RequestField::mode] = 1;
    store_u32(record + RequestField::quantity, 1);
    store_u32(record + RequestField::firmCode, options_.firm_code);
    store_u32(record + RequestField::productCode, options_.product_code);
  } else {
    store_u64(client.issue(Kind::release, lane_index, now_) + RequestField::handle, lane.handle);
  }
  mark_dirty(index);
}

void Load::unexpected(const std::uint8_t* result) noexcept {
  if (counts_.unexpected++ > 0) return;
  counts_.unexpected_kind = result[ResultField::kind];
  counts_.unexpected_status = load_u16(result + ResultField::status);
}

void Load::mark_dirty(std::uint32_t index) noexcept {
  if (clients_[index]->dirty) return;
  clients_[index]->dirty = true;
  dirty_.push_back(index);
}

void Load::plan(std::uint64_t at, TimerKind kind, std::uint32_t client, std::uint32_t lane) noexcept {
  timers_.push({at, kind, client, lane});
}

// What the caller does, in this order

bool Load::open(std::uint64_t limit_ns) noexcept {
  now_ = monotonic();
  for (std::uint32_t i = 0; i < clients_.size(); i++) dial(i);
  return run_until(now_ + limit_ns, [this] { return opened_ == clients_.size(); });
}

void Load::start() noexcept {
  now_ = monotonic();
  mode_ = Mode::running;
  first_arrival_ = last_completed_ = now_;
  for (std::uint32_t lane = 0; lane < options_.lanes; lane++) {
    for (std::uint32_t i = 0; i < clients_.size(); i++) {
      if (options_.rate > 0) free_lanes_.emplace_back(i, lane);
      else begin(i, lane, now_);
    }
  }
  flush_dirty();
}

void Load::run(std::uint64_t duration_ns) noexcept {
  run_until(monotonic() + duration_ns, [] { return false; });
}

void Load::begin_window() noexcept {
  counts_ = {};
  counts_.most_out = out_;
  checkout_times_.clear();
  request_times_.clear();
  measuring_ = true;
  window_from_ = last_completed_ = monotonic();
  window_to_ = UINT64_MAX;
}

void Load::end_window() noexcept {
  window_to_ = monotonic();
  note_gap(window_to_);
  measuring_ = false;
}

void Load::note_gap(std::uint64_t until) noexcept {
  if (!measuring_ || until - last_completed_ <= counts_.gap_ns) return;
  counts_.gap_ns = until - last_completed_;
  counts_.gap_at_ns = last_completed_ - window_from_;
}

std::size_t Load::drain(std::uint64_t limit_ns) noexcept {
  mode_ = Mode::draining;
  // What was due and not begun is late but asked for: it begins now.
  const auto begin_due = [this] {
    while (!due_.empty() && !free_lanes_.empty()) {
      const auto [client, lane] = free_lanes_.front();
      free_lanes_.pop_front();
      begin(client, lane, due_.front());
      due_.pop_front();
    }
    flush_dirty();
    return under_way_ == 0 && due_.empty();
  };
  run_until(monotonic() + limit_ns, begin_due);
  return under_way_ + due_.size();
}

std::size_t Load::close(std::uint64_t limit_ns) noexcept {
  now_ = monotonic();
  mode_ = Mode::closing;
  for (std::uint32_t i = 0; i < clients_.size(); i++) {
    if (!clients_[i]->opened || !clients_[i]->has_room()) continue;
    clients_[i]->issue(Kind::closeSession, 0, now_);
    mark_dirty(i);
  }
  flush_dirty();
  run_until(now_ + limit_ns, [this] { return closed_ == clients_.size(); });
  for (const auto& client : clients_) client->link.close();
  return clients_.size() - closed_;
}

}  // namespace tmr::bench
