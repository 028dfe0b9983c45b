// AES-256-GCM with a counter nonce: the CipherState of the Noise framework (revision 34, section 5.1).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "base/status.hpp"
#include "base/wipe.hpp"
#include "packet/gcm.hpp"

namespace tmr {

/// One direction under one key. The nonce is 4 zero bytes, then the counter as 8 bytes big-endian. Neither copies nor
/// moves; the key is wiped when it goes.
class CipherState {
 public:
  using Direction = Gcm::Direction;
  /// The number after it is REKEY's own.
  static constexpr std::uint64_t max_counter = UINT64_MAX - 1;

  CipherState() noexcept = default;
  ~CipherState() = default;
  CipherState(const CipherState&) = delete;
  CipherState& operator=(const CipherState&) = delete;
  CipherState(CipherState&&) = delete;
  CipherState& operator=(CipherState&&) = delete;

  Status set_key(Bytes key, Direction direction, std::uint64_t counter = 0) noexcept;
  bool has_key() const noexcept { return gcm_.has_key(); }

  /// Encrypts all but the last 16 bytes in place and writes the tag there. Spent: the counter is at its end.
  Status seal(Bytes associated, MutableBytes text_and_tag) noexcept;
  /// Decrypts in place. The counter moves only when the bytes are genuine.
  Status open(Bytes associated, MutableBytes text_and_tag) noexcept;
  /// Noise REKEY: the next key is made from this one. The counter goes on.
  Status rekey() noexcept;

  std::uint64_t counter() const noexcept { return counter_; }
  /// How many more packets the counter has room for.
  std::uint64_t left() const noexcept { return max_counter + 1 - counter_; }
  /// Wipes the key; has_key() is false afterwards.
  void clear() noexcept;

 private:
  Gcm gcm_;
  SecretBytes<key_bytes> key_;
  std::uint64_t counter_ = 0;
  Direction direction_ = Direction::seal;
};

}  // namespace tmr
