// Those around the gateway whose instructions are not counted: clients that ask, and upstreams that vote.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "gateway/gateway.hpp"
#include "test/sha256.hpp"

namespace tmr::bench {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "engine_bench: %s\n", what);
  std::abort();
}

/// Ends what the compiler knows, so that a call before it stays a call.
inline void forget_memory() noexcept { asm volatile("" ::: "memory"); }

inline constexpr std::uint8_t no_key[key_bytes] = {};

inline std::unique_ptr<Session> new_session(std::size_t max_message_bytes) {
  auto session = std::make_unique<Session>(max_message_bytes);
  require(session->start(no_key, no_key) == Status::ok, "a session did not start");
  return session;
}

/// The plain messages that came over one session.
class Received final : public MessageSink {
 public:
  std::vector<std::vector<std::uint8_t>> messages;
  Status message(MutableBytes message) noexcept override {
    messages.emplace_back(message.begin(), message.end());
    return Status::ok;
  }
};

/// One client that asks for a license `depth` times per packet and proves with each request what it has been answered.
class Client {
 public:
  explicit Client(std::uint8_t name) : session_(new_session(MAX_PACKET_BYTES)), name_(name) {}
  std::vector<std::uint8_t> ask(std::uint32_t depth);
  /// Adds the answers in these frames to `all`.
  void hear(Bytes frames, std::vector<std::uint8_t>& all);

 private:
  std::unique_ptr<Session> session_;
  const std::uint8_t name_;
  std::uint64_t request_ = 0;
  std::uint8_t mark_[8] = {};
  std::uint8_t mark_proof_[mark_proof_bytes] = {};
};

/// An upstream that says yes to everything.
class Upstream {
 public:
  explicit Upstream(int number) : session_(new_session(MAX_LINK_MESSAGE_BYTES)), number_(number) {}
  /// The vote on the append in these frames.
  std::vector<std::uint8_t> vote(Bytes frames, Hasher& hasher);

 private:
  std::unique_ptr<Session> session_;
  const int number_;
};

}  // namespace tmr::bench
