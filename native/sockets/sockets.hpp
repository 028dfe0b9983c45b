// Between the sockets of one TMR server and its gateway: bytes go both ways without anybody being asked. Their owner is
// told once per turn of the loop that something has arrived, and says when to write.
#pragma once

#include <uv.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "gateway/gateway.hpp"
#include "sockets/socket.hpp"

namespace tmr {

class Sockets final : private SocketOwner {
 public:
  struct Limits {
    /// Unsent bytes of a client from which on it is not read and its answers wait in the gateway.
    std::size_t pause_above_bytes = 0;
    /// How long a client may take to read them, or to close after it was told that nothing more comes.
    std::uint64_t unread_timeout_ms = 0;
    /// How long a client may say nothing before it has spoken for a session, and after that.
    std::uint64_t idle_timeout_ms = 0;
    std::uint64_t session_idle_timeout_ms = 0;
    /// Requests of one client that wait for a batch from which on it is not read until half of them are gone. What it had
    /// sent in the same read is taken too.
    std::uint32_t most_pending_of_client = 0;
    /// An upstream that leaves more than this unsent is given up.
    std::size_t most_upstream_bytes = 0;
  };

  /// In `arrived`: bit 0, bytes of clients; bits 1 to 3, bytes of that upstream; bit 4, `take_closed` has something.
  static constexpr std::uint32_t clients_bit = 1u << 0;
  static constexpr std::uint32_t closed_bit = 1u << 4;

  class Listener {
   public:
    virtual ~Listener() = default;
    /// After everything was read that was there to be read.
    virtual void turn(std::uint32_t arrived) noexcept = 0;
    /// After `close`: the loop holds nothing any more. The last call; the object may be freed in it.
    virtual void gone() noexcept = 0;
  };

  /// Why a connection is over, or a libuv error.
  enum class Why : std::uint8_t { ended, failed, not_genuine, unread, idle };
  struct Closed {
    Socket::Peer peer;
    Why why = Why::ended;
    /// With `failed`, a libuv error.
    int error = 0;
  };

  /// The gateway must live until `close`.
  Sockets(Gateway& gateway, const Limits& limits, Listener& listener);
  ~Sockets() override = default;
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;
  Sockets(Sockets&&) = delete;
  Sockets& operator=(Sockets&&) = delete;

  /// Once, before anything else. False: nothing was begun and `gone` is not called.
  bool start(uv_loop_t* loop) noexcept;
  /// Makes a descriptor of its own for the peer's connection; `rest` was read from it already. False: it could not.
  bool open(Socket::Peer peer, int descriptor, Bytes rest) noexcept;
  /// Writes what the gateway has, once per socket.
  void flush() noexcept;
  /// Nothing more is written or taken; the connection is over when the peer has closed too.
  void end_client(std::uint32_t client) noexcept;
  /// Closes without a word to the owner, who decided it.
  void drop(Socket::Peer peer) noexcept;
  std::optional<Closed> take_closed() noexcept;
  /// Closes everything. Idempotent.
  void close() noexcept;
  bool is_closed() const noexcept { return closed_; }

 private:
  MutableBytes room() noexcept override { return {room_.get(), room_bytes}; }
  void received(Socket& socket, MutableBytes chunk) noexcept override;
  void ended(Socket& socket) noexcept override;
  void failed(Socket& socket, int error) noexcept override;
  void drained(Socket& socket) noexcept override;
  void released(Socket& socket) noexcept override;

  /// Where the peer's socket is kept; null for a client that has left.
  Socket** place_of(const Socket::Peer& peer) noexcept;
  Socket* find(const Socket::Peer& peer) noexcept;
  void over(Socket& socket, Why why, int error = 0) noexcept;
  void forget(Socket& socket) noexcept;
  void flush_clients() noexcept;
  void flush_upstreams() noexcept;
  void stall(Socket& socket) noexcept;
  void watch(Socket& socket) noexcept;
  void crowd(Socket& socket) noexcept;
  void read_crowded() noexcept;
  void say() noexcept;
  void handle_gone() noexcept;
  static void on_check(uv_check_t* handle) noexcept;
  static void on_timer(uv_timer_t* handle) noexcept;
  static void on_idle_timer(uv_timer_t* handle) noexcept;
  static void on_handle_closed(uv_handle_t* handle) noexcept;

  static constexpr std::size_t room_bytes = 64 * 1024;
  /// Where answers are sealed: for one turn at most loads.
  static constexpr std::size_t slab_bytes = 128 * 1024;
  static constexpr std::size_t writes_per_slab = 256;
  static_assert(slab_bytes >= Gateway::least_slab_bytes);

  Gateway& gateway_;
  const Limits limits_;
  Listener& listener_;
  uv_loop_t* loop_ = nullptr;
  uv_check_t check_ = {};
  uv_timer_t timer_ = {};
  uv_timer_t idle_timer_ = {};
  /// By client slot.
  std::vector<Socket*> clients_;
  std::array<Socket*, 3> upstreams_ = {};
  std::unique_ptr<std::uint8_t[]> room_;
  std::unique_ptr<std::uint8_t[]> slab_;
  std::array<Gateway::ClientWrite, writes_per_slab> writes_;
  std::deque<Closed> closings_;
  /// Clients that are not read because too many of their requests wait; some may have left.
  std::vector<std::uint32_t> crowded_;
  std::uint32_t arrived_ = 0;
  /// Handles of the loop that are not released yet.
  std::size_t handles_ = 0;
  bool closed_ = false;
};

}  // namespace tmr
