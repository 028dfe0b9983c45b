// The benches that need memory or OpenSSL at hand: a second addon beside the engine's, never published.
//
// Each bench is a class with a prepared state. `run` does its work a number of times, `output` tells what the last run
// produced, so that a bench that does nothing is found out by the digest of it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"

namespace tmr::bench {

/// One thing to be measured.
class Measured {
 public:
  Measured() = default;
  virtual ~Measured() = default;
  Measured(const Measured&) = delete;
  Measured& operator=(const Measured&) = delete;
  Measured(Measured&&) = delete;
  Measured& operator=(Measured&&) = delete;

  virtual void run() = 0;
  virtual Bytes output() const = 0;
};

/// Keeps the compiler from doing once what is to be done each time: memory may have changed behind its back.
inline void forget_memory() noexcept { asm volatile("" ::: "memory"); }

/// Messages of `message_bytes`, `count` per run, sealed and opened by two sessions as the gateway does.
Measured* new_session_packets(std::size_t count, std::size_t message_bytes);
/// The same by OpenSSL alone, one context per direction. `framed`: exactly the bytes of our frames; otherwise only the
/// message, the least that any encrypted packet costs.
Measured* new_bare_packets(std::size_t count, std::size_t message_bytes, bool framed);

/// Votes on three equal ballots of `count` records with blobs of `blob_bytes`, `times` in a run.
Measured* new_vote(std::size_t count, std::size_t blob_bytes, std::size_t times);
/// memcmp of the bytes that such a vote compares: ballots 1 and 2, 1 and 3.
Measured* new_compare(std::size_t count, std::size_t blob_bytes, std::size_t times);

}  // namespace tmr::bench
