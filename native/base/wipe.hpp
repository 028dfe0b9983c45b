// Overwriting secrets so that the compiler cannot leave it out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"

namespace tmr {

/// Fills with zeros. Free of OpenSSL, so that code below packet/ and its tests can keep secrets too.
void wipe(MutableBytes secret) noexcept;

/// A secret of fixed size, wiped when it goes. Neither copies nor moves: a copy would be one more place to wipe.
template <std::size_t Size>
class SecretBytes {
 public:
  SecretBytes() noexcept = default;
  explicit SecretBytes(Bytes value) noexcept { assign(value); }
  ~SecretBytes() { clear(); }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  SecretBytes(SecretBytes&&) = delete;
  SecretBytes& operator=(SecretBytes&&) = delete;

  void assign(Bytes value) noexcept {
    assert(value.size() == Size);
    copy(bytes_, value);
  }
  void clear() noexcept { wipe(bytes_); }
  std::span<const std::uint8_t, Size> view() const noexcept { return bytes_; }
  std::span<std::uint8_t, Size> fill() noexcept { return bytes_; }

 private:
  std::array<std::uint8_t, Size> bytes_{};
};

}  // namespace tmr
