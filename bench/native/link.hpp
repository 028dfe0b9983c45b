// One encrypted connection of a generated client: a non-blocking socket, the NK handshake, the engine's session.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <memory>

#include "base/buffer.hpp"
#include "base/bytes.hpp"
#include "packet/handshake.hpp"
#include "packet/session.hpp"

namespace tmr::bench {

class Link {
 public:
  enum class State : std::uint8_t { down, connecting, handshaking, up };

  Link() noexcept : output_(output_limit) {}
  ~Link() { close(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  State state() const noexcept { return state_; }

  /// Begins to connect; events arrive at `epoll` with `tag`. False: it failed at once, and the link is down.
  bool dial(const sockaddr_in& address, int epoll, std::uint64_t tag, Bytes server_key) noexcept;

  /// Takes what epoll said; complete messages go to the sink. False: the connection is lost, call close().
  bool on_event(std::uint32_t events, MutableBytes scratch, MessageSink& sink) noexcept;

  /// Seals one message and writes what the socket takes now. False: lost. Only while up.
  bool send(Parts message) noexcept;

  void close() noexcept;

 private:
  static constexpr std::size_t output_limit = 4 * 1024 * 1024;

  bool connected() noexcept;
  bool read_some(MutableBytes scratch, MessageSink& sink) noexcept;
  bool take_handshake(MutableBytes& chunk) noexcept;
  bool flush() noexcept;
  bool want_output(bool wanted) noexcept;

  State state_ = State::down;
  bool waits_for_room_ = false;
  int fd_ = -1;
  int epoll_ = -1;
  std::uint64_t tag_ = 0;
  Bytes server_key_;
  std::unique_ptr<Handshake> handshake_;
  std::unique_ptr<Session> session_;
  OutputBuffer output_;
  std::size_t written_ = 0;
  std::uint8_t answer_[64] = {};
  std::size_t answer_bytes_ = 0;
};

}  // namespace tmr::bench
