// As much of HTTP/2 and gRPC as one unary call at a time needs, without compression and without reading headers: an
// answer without a message is a failure. This costs a fraction of a general client.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "connection.hpp"

namespace load {

class GrpcConnection final : public Receiver {
 public:
  /// Given the message of the call's answer.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void answered(std::string_view message) = 0;
  };

  GrpcConnection(std::uint16_t port, Listener& listener);
  Connection& connection() { return connection_; }
  /// Begins a call; the one before has been answered.
  void call(std::string_view path, std::string_view message);
  /// The same outside the loop: returns when the listener was told.
  void call_and_wait(std::string_view path, std::string_view message);
  void wait();

 private:
  std::size_t receive(std::string_view bytes) override;
  void frame(std::uint8_t type, std::uint8_t flags, std::string_view payload);

  Connection connection_;
  Listener& listener_;
  std::string authority_;
  std::uint32_t stream_ = 1;
  bool open_ = false;
  std::string body_;
};

}  // namespace load
