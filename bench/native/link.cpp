// In the order of a connection's life: dial, handshake, messages out, messages in, close.
#include "link.hpp"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "wire/message.hpp"

namespace tmr::bench {

namespace {

constexpr char prologue[] = "tmr-server/1 NK client";
constexpr std::uint8_t pattern_nk = 1;
/// Noise message 2 of NK: an ephemeral key and the tag of an empty payload.
constexpr std::size_t answer_length = 48;

}  // namespace

bool Link::dial(const sockaddr_in& address, int epoll, std::uint64_t tag, Bytes server_key) noexcept {
  close();
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return false;
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_ = epoll;
  tag_ = tag;
  server_key_ = server_key;
  const bool under_way = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EINPROGRESS;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT;
  event.data.u64 = tag;
  if (!under_way || ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd_, &event) != 0) {
    close();
    return false;
  }
  waits_for_room_ = true;
  state_ = State::connecting;
  return true;
}

/// The socket is connected or has failed: the first frame goes out.
bool Link::connected() noexcept {
  int fault = 0;
  socklen_t size = sizeof fault;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &fault, &size) != 0 || fault != 0) return false;
  handshake_ = std::make_unique<Handshake>(Role::initiator, Pattern::nk);
  HandshakeKeys keys;
  keys.remote_static = server_key_;
  const Bytes name(reinterpret_cast<const std::uint8_t*>(prologue), sizeof prologue - 1);
  if (handshake_->start(name, keys) != Status::ok) return false;
  const std::size_t bytes = handshake_->written_size(0);
  MutableBytes frame;
  if (output_.extend(2 + 1 + bytes, frame) != Status::ok) return false;
  store_u16_be(frame.data(), static_cast<std::uint16_t>(1 + bytes));
  frame[2] = pattern_nk;
  if (handshake_->write({}, frame.subspan(3)) != Status::ok) return false;
  state_ = State::handshaking;
  return flush();
}

/// Collects the server's answer, whose length is known, and leaves in `chunk` what came behind it.
bool Link::take_handshake(MutableBytes& chunk) noexcept {
  const std::size_t take = std::min(chunk.size(), 2 + answer_length - answer_bytes_);
  copy(MutableBytes(answer_).subspan(answer_bytes_), chunk.first(take));
  answer_bytes_ += take;
  chunk = chunk.subspan(take);
  if (answer_bytes_ < 2 + answer_length) return true;
  if (load_u16_be(answer_) != answer_length) return false;
  MutableBytes payload;
  if (handshake_->read(MutableBytes(answer_).subspan(2, answer_length), payload) != Status::ok) return false;
  session_ = std::make_unique<Session>(MAX_PACKET_BYTES);
  if (handshake_->split(*session_) != Status::ok) return false;
  handshake_.reset();
  state_ = State::up;
  return true;
}

bool Link::send(Parts message) noexcept {
  const bool blocked = output_.size() > written_;
  if (session_->seal(message, output_) != Status::ok) return false;
  return blocked || flush();
}

bool Link::flush() noexcept {
  while (written_ < output_.size()) {
    const Bytes rest = Bytes(output_.bytes()).subspan(written_);
    const ssize_t count = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR) continue;
      return (errno == EAGAIN || errno == EWOULDBLOCK) && want_output(true);
    }
    written_ += static_cast<std::size_t>(count);
  }
  output_.clear(64 * 1024);
  written_ = 0;
  return want_output(false);
}

bool Link::want_output(bool wanted) noexcept {
  if (wanted == waits_for_room_) return true;
  waits_for_room_ = wanted;
  epoll_event event{};
  event.events = EPOLLIN | (wanted ? std::uint32_t{EPOLLOUT} : 0U);
  event.data.u64 = tag_;
  return ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd_, &event) == 0;
}

bool Link::on_event(std::uint32_t events, MutableBytes scratch, MessageSink& sink) noexcept {
  if (state_ == State::connecting) return connected();
  if ((events & EPOLLOUT) != 0 && !flush()) return false;
  return (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || read_some(scratch, sink);
}

/// One read: what is left comes with the next event, after the other connections.
bool Link::read_some(MutableBytes scratch, MessageSink& sink) noexcept {
  const ssize_t count = ::recv(fd_, scratch.data(), scratch.size(), 0);
  if (count < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  if (count == 0) return false;
  MutableBytes chunk = scratch.first(static_cast<std::size_t>(count));
  if (state_ == State::handshaking && !take_handshake(chunk)) return false;
  return state_ != State::up || chunk.empty() || session_->open(chunk, sink) == Status::ok;
}

void Link::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  state_ = State::down;
  handshake_.reset();
  session_.reset();
  output_.clear(0);
  written_ = 0;
  answer_bytes_ = 0;
}

}  // namespace tmr::bench
