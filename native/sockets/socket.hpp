// A connected TCP socket on a libuv loop: what arrives is given to its owner, what is written and not taken by the system
// waits here, in one piece however many writes it came from.
#pragma once

#include <uv.h>

#include <cstddef>
#include <cstdint>

#include "base/block.hpp"
#include "base/bytes.hpp"

namespace tmr {

class Socket;

/// Is told what happens on its sockets, never during a call of theirs but `write` and `end`, which may say `failed`.
class SocketOwner {
 public:
  virtual ~SocketOwner() = default;
  /// Where the next bytes of any socket are put; they are used before the next ones are read.
  virtual MutableBytes room() noexcept = 0;
  virtual void received(Socket& socket, MutableBytes chunk) noexcept = 0;
  /// The peer will send nothing more.
  virtual void ended(Socket& socket) noexcept = 0;
  /// A libuv error: the connection is of no use any more.
  virtual void failed(Socket& socket, int error) noexcept = 0;
  /// The system has taken everything that waited.
  virtual void drained(Socket& socket) noexcept = 0;
  /// After `close`, in a later turn: nothing refers to the socket any more. The last call; its owner frees it.
  virtual void released(Socket& socket) noexcept = 0;
};

class Socket {
 public:
  static constexpr std::uint32_t no_client = UINT32_MAX;
  /// Whom the owner knows at the other end: an upstream from 1 to 3, or 0 and a client.
  struct Peer {
    int upstream = 0;
    std::uint32_t client = no_client;
  };

  Socket(SocketOwner& owner, Peer peer) noexcept : owner_(owner), peer_(peer) {}
  ~Socket() = default;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  Socket(Socket&&) = delete;
  Socket& operator=(Socket&&) = delete;

  /// A descriptor of its own for the TCP connection behind `descriptor`, which stays its caller's; or a libuv error.
  static int duplicate(int descriptor) noexcept;
  /// Takes the descriptor over and begins to read. Anything but 0 is a libuv error, and the socket is to be closed, unless
  /// it `is_fresh`: then it can be freed as it is.
  int open(uv_loop_t* loop, int descriptor) noexcept;

  const Peer& peer() const noexcept { return peer_; }
  bool is_fresh() const noexcept { return !initialized_; }
  bool is_ending() const noexcept { return ending_; }
  bool is_reading() const noexcept { return reading_; }
  /// Bytes written that the system has not taken.
  std::size_t unsent() const noexcept;
  void read(bool on) noexcept;
  /// Copies what the system does not take at once. After `end` or `close` it does nothing.
  void write(Bytes bytes) noexcept;
  /// Tells the peer that nothing more comes, behind what waits.
  void end() noexcept;
  /// Idempotent.
  void close() noexcept;

  /// When the owner's patience with this peer is over, in ms of the loop's clock; 0: never.
  std::uint64_t deadline_ms = 0;
  /// When the peer was last heard, in the same.
  std::uint64_t heard_ms = 0;
  /// It is not read because too much of it waits already.
  bool crowded = false;
  /// Where the owner keeps this socket.
  Socket** place = nullptr;

 private:
  uv_stream_t* stream() noexcept { return reinterpret_cast<uv_stream_t*>(&handle_); }
  const uv_stream_t* stream() const noexcept { return reinterpret_cast<const uv_stream_t*>(&handle_); }
  void write_waiting() noexcept;
  void shut_down() noexcept;

  static void allocate(uv_handle_t* handle, std::size_t, uv_buf_t* out) noexcept;
  static void on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) noexcept;
  static void on_written(uv_write_t* request, int status) noexcept;
  static void on_shut_down(uv_shutdown_t* request, int status) noexcept;
  static void on_closed(uv_handle_t* handle) noexcept;

  SocketOwner& owner_;
  const Peer peer_;
  uv_tcp_t handle_ = {};
  uv_write_t write_request_ = {};
  uv_shutdown_t shutdown_request_ = {};
  /// What the system is being given, and what came after it.
  ByteVector under_way_;
  ByteVector waiting_;
  bool initialized_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool ending_ = false;
  bool closing_ = false;
};

}  // namespace tmr
