// One TCP connection on loopback. It blocks while it is set up (handshakes, tables, leases) and becomes part of the loop
// with `attach`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loop.hpp"

namespace load {

/// Takes whole replies from the front of what arrived; says how many bytes it took.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual std::size_t receive(std::string_view bytes) = 0;
};

class Connection final : public Readable {
 public:
  Connection(std::uint16_t port, Receiver& receiver);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override;

  /// From now on replies are read by the loop.
  void attach(Loop& loop);
  /// Written at once. Requests are far smaller than a socket's buffer, so a full one is a fault of the peer.
  void send(std::string_view bytes);
  /// Waits for bytes and hands them to the receiver once; for the time outside the loop.
  void read_some();
  void ready() override;

 private:
  void take(std::size_t added);

  int fd_;
  Receiver& receiver_;
  std::vector<char> buffer_;
  std::size_t used_ = 0;
};

/// Big-endian integers, as all protocols here have them.
void put16(std::string& out, std::uint16_t value);
void put32(std::string& out, std::uint32_t value);
void put64(std::string& out, std::uint64_t value);
std::uint32_t get32(std::string_view bytes, std::size_t at);
std::uint64_t get64(std::string_view bytes, std::size_t at);

}  // namespace load
