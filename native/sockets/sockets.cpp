#include "sockets/sockets.hpp"

#include <algorithm>
#include <utility>

namespace tmr {

namespace {
/// How often deadlines are looked at while there are any.
constexpr std::uint64_t watch_ms = 250;
/// How often it is looked who is idle: an eighth of the time that they have, at most this.
constexpr std::uint64_t most_idle_watch_ms = 5'000;
}  // namespace

Sockets::Sockets(Gateway& gateway, const Limits& limits, Listener& listener)
    : gateway_(gateway),
      limits_(limits),
      listener_(listener),
      clients_(gateway.orderer().clients().capacity(), nullptr),
      room_(new std::uint8_t[room_bytes]),
      slab_(new std::uint8_t[slab_bytes]) {}

bool Sockets::start(uv_loop_t* loop) noexcept {
  loop_ = loop;
  // Neither can fail: they only fill in the handles.
  if (uv_check_init(loop, &check_) != 0 || uv_timer_init(loop, &timer_) != 0 || uv_timer_init(loop, &idle_timer_) != 0) {
    return false;
  }
  check_.data = this;
  timer_.data = this;
  idle_timer_.data = this;
  handles_ = 3;
  uv_check_start(&check_, on_check);
  const std::uint64_t shorter = std::min(limits_.idle_timeout_ms, limits_.session_idle_timeout_ms);
  const std::uint64_t idle_watch_ms = std::clamp<std::uint64_t>(shorter / 8, 1, most_idle_watch_ms);
  uv_timer_start(&idle_timer_, on_idle_timer, idle_watch_ms, idle_watch_ms);
  // They serve the sockets: only those keep the loop running.
  uv_unref(reinterpret_cast<uv_handle_t*>(&check_));
  uv_unref(reinterpret_cast<uv_handle_t*>(&timer_));
  uv_unref(reinterpret_cast<uv_handle_t*>(&idle_timer_));
  return true;
}

bool Sockets::open(Socket::Peer peer, int descriptor, Bytes rest) noexcept {
  Socket** place = closed_ ? nullptr : place_of(peer);
  if (place == nullptr || *place != nullptr) return false;
  const int own = Socket::duplicate(descriptor);
  if (own < 0) return false;
  auto socket = std::unique_ptr<Socket>(new Socket(*this, peer));
  const int error = socket->open(loop_, own);
  if (socket->is_fresh()) return false;
  handles_++;
  Socket& opened = *socket.release();
  if (error != 0) {
    opened.close();
    return false;
  }
  opened.place = place;
  opened.heard_ms = uv_now(loop_);
  *place = &opened;
  while (!rest.empty() && *place == &opened) {
    const MutableBytes part = room().first(std::min(rest.size(), room_bytes));
    copy(part, rest.first(part.size()));
    rest = rest.subspan(part.size());
    received(opened, part);
  }
  return true;
}

Socket** Sockets::place_of(const Socket::Peer& peer) noexcept {
  if (peer.upstream != 0) return &upstreams_[static_cast<std::size_t>(peer.upstream - 1)];
  const std::uint32_t slot = gateway_.orderer().clients().slot_of(peer.client);
  return slot == ClientTable::none ? nullptr : &clients_[slot];
}

Socket* Sockets::find(const Socket::Peer& peer) noexcept {
  Socket** place = place_of(peer);
  // Another client may have had the slot before and still have its socket.
  return place == nullptr || *place == nullptr || (*place)->peer().client != peer.client ? nullptr : *place;
}

void Sockets::received(Socket& socket, MutableBytes chunk) noexcept {
  // What a client says after it was told that nothing more comes could not be answered.
  if (socket.is_ending()) return;
  const auto [upstream, client] = socket.peer();
  const Intake intake =
      upstream == 0 ? gateway_.client_bytes(client, chunk) : gateway_.upstream_bytes(upstream, chunk);
  if (intake == Intake::ok) {
    arrived_ |= 1u << upstream;
    socket.heard_ms = uv_now(loop_);
    if (upstream == 0) crowd(socket);
  } else {
    over(socket, intake == Intake::malformed || upstream != 0 ? Why::not_genuine : Why::unread);
  }
}

void Sockets::ended(Socket& socket) noexcept {
  // An upstream's link is of no use in one direction.
  if (socket.unsent() == 0 || socket.peer().upstream != 0) return over(socket, Why::ended);
  // It may still read what waits for it.
  socket.end();
  watch(socket);
}

void Sockets::failed(Socket& socket, int error) noexcept { over(socket, Why::failed, error); }

void Sockets::drained(Socket& socket) noexcept {
  if (socket.is_ending()) {
    // One that ended first is not read any more: both sides are done.
    if (!socket.is_reading()) over(socket, Why::ended);
    return;
  }
  if (socket.peer().upstream != 0 || socket.deadline_ms == 0) return;
  socket.deadline_ms = 0;
  socket.read(!socket.crowded);
  gateway_.orderer().clients().hold(socket.peer().client, false);
  flush_clients();
}

void Sockets::released(Socket& socket) noexcept {
  delete &socket;
  handle_gone();
}

void Sockets::over(Socket& socket, Why why, int error) noexcept {
  closings_.push_back({socket.peer(), why, error});
  forget(socket);
}

void Sockets::forget(Socket& socket) noexcept {
  *socket.place = nullptr;
  socket.close();
}

/// What a client sends from here on waits with it, so that the others find room in the queue.
void Sockets::crowd(Socket& socket) noexcept {
  const std::uint32_t slot = gateway_.orderer().clients().slot_of(socket.peer().client);
  if (socket.crowded || gateway_.orderer().pending_of(slot) < limits_.most_pending_of_client) return;
  socket.crowded = true;
  socket.read(false);
  crowded_.push_back(socket.peer().client);
}

void Sockets::read_crowded() noexcept {
  std::erase_if(crowded_, [this](std::uint32_t client) {
    Socket* socket = find({.client = client});
    if (socket == nullptr) return true;
    const std::uint32_t slot = gateway_.orderer().clients().slot_of(client);
    if (gateway_.orderer().pending_of(slot) > limits_.most_pending_of_client / 2) return false;
    socket->crowded = false;
    // One that has answers to read first is read after that.
    if (socket->deadline_ms == 0) socket->read(true);
    return true;
  });
}

void Sockets::flush() noexcept {
  if (closed_) return;
  if (!crowded_.empty()) read_crowded();
  flush_upstreams();
  flush_clients();
}

void Sockets::flush_upstreams() noexcept {
  for (int upstream = 1; upstream <= 3; upstream++) {
    Socket*& socket = upstreams_[static_cast<std::size_t>(upstream - 1)];
    while (socket != nullptr) {
      const Bytes bytes = gateway_.take_upstream_output(upstream);
      if (bytes.empty()) break;
      socket->write(bytes);
      if (socket != nullptr && socket->unsent() > limits_.most_upstream_bytes) over(*socket, Why::unread);
    }
  }
}

void Sockets::flush_clients() noexcept {
  const MutableBytes slab{slab_.get(), slab_bytes};
  for (;;) {
    const std::size_t count = gateway_.take_client_output(slab, writes_);
    if (count == 0) return;
    for (const auto& [client, offset, size] : std::span(writes_).first(count)) {
      const Socket::Peer peer{.client = client};
      Socket* socket = find(peer);
      if (socket == nullptr || socket->is_ending()) continue;
      if (size == 0) {
        over(*socket, Why::unread);
        continue;
      }
      socket->write(slab.subspan(offset, size));
      // Writing may have been the end of it.
      if (find(peer) == socket && socket->unsent() > limits_.pause_above_bytes) stall(*socket);
    }
  }
}

/// Neither reads the client nor seals more for it until it has read what waits.
void Sockets::stall(Socket& socket) noexcept {
  gateway_.orderer().clients().hold(socket.peer().client, true);
  socket.read(false);
  watch(socket);
}

void Sockets::watch(Socket& socket) noexcept {
  if (socket.deadline_ms != 0) return;
  socket.deadline_ms = uv_now(loop_) + limits_.unread_timeout_ms;
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)) == 0) uv_timer_start(&timer_, on_timer, watch_ms, watch_ms);
}

void Sockets::on_timer(uv_timer_t* handle) noexcept {
  Sockets& self = *static_cast<Sockets*>(handle->data);
  const std::uint64_t now = uv_now(self.loop_);
  bool any = false;
  for (Socket* socket : self.clients_) {
    if (socket == nullptr || socket->deadline_ms == 0) continue;
    if (socket->deadline_ms <= now) self.over(*socket, socket->is_ending() ? Why::ended : Why::unread);
    else any = true;
  }
  if (!any) uv_timer_stop(handle);
}

/// A client that holds a session has to be heard within the session's time-out, others have nothing to wait for.
void Sockets::on_idle_timer(uv_timer_t* handle) noexcept {
  Sockets& self = *static_cast<Sockets*>(handle->data);
  const std::uint64_t now = uv_now(self.loop_);
  for (std::size_t slot = 0; slot < self.clients_.size(); slot++) {
    Socket* socket = self.clients_[slot];
    // Those that are not read, or are to close, have their own deadlines.
    if (socket == nullptr || !socket->is_reading() || socket->is_ending()) continue;
    const bool has_session = self.gateway_.orderer().clients().has_session(static_cast<std::uint32_t>(slot));
    const std::uint64_t patience = has_session ? self.limits_.session_idle_timeout_ms : self.limits_.idle_timeout_ms;
    if (now - socket->heard_ms >= patience) self.over(*socket, Why::idle);
  }
}

void Sockets::end_client(std::uint32_t client) noexcept {
  Socket* socket = find({.client = client});
  if (socket == nullptr || socket->is_ending()) return;
  // One that was not read because it did not read either has to be heard saying goodbye.
  socket->read(true);
  watch(*socket);
  socket->end();
}

void Sockets::drop(Socket::Peer peer) noexcept {
  if (Socket* socket = find(peer); socket != nullptr) forget(*socket);
}

std::optional<Sockets::Closed> Sockets::take_closed() noexcept {
  if (closings_.empty()) return std::nullopt;
  const Closed closed = closings_.front();
  closings_.pop_front();
  return closed;
}

void Sockets::on_check(uv_check_t* handle) noexcept { static_cast<Sockets*>(handle->data)->say(); }

void Sockets::say() noexcept {
  const std::uint32_t arrived = arrived_ | (closings_.empty() ? 0 : closed_bit);
  arrived_ = 0;
  if (arrived != 0 && !closed_) listener_.turn(arrived);
}

void Sockets::close() noexcept {
  if (closed_) return;
  closed_ = true;
  closings_.clear();
  for (Socket*& socket : clients_) {
    if (socket != nullptr) std::exchange(socket, nullptr)->close();
  }
  for (Socket*& socket : upstreams_) {
    if (socket != nullptr) std::exchange(socket, nullptr)->close();
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&check_), on_handle_closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), on_handle_closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&idle_timer_), on_handle_closed);
}

void Sockets::on_handle_closed(uv_handle_t* handle) noexcept { static_cast<Sockets*>(handle->data)->handle_gone(); }

void Sockets::handle_gone() noexcept {
  handles_--;
  if (!closed_) return say();
  if (handles_ == 0) listener_.gone();
}

}  // namespace tmr
