// Hashing as the engine's core sees it. The real one is packet/evp_hasher.hpp; native tests bring their own, because
// OpenSSL's symbols exist only inside the node binary.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "base/bytes.hpp"

namespace tmr {

constexpr std::size_t digest_bytes = 32;
using Digest = std::array<std::uint8_t, digest_bytes>;
/// Consecutive parts of one input, so that nothing is copied together to be hashed.
using Parts = std::span<const Bytes>;

/// SHA-256 and what is built on it. A failure inside (out of memory) ends the process: no caller could go on safely.
/// One thread at a time.
class Hasher {
 public:
  virtual ~Hasher() = default;
  virtual void sha256(Parts parts, std::span<std::uint8_t, digest_bytes> out) noexcept = 0;
  virtual void hmac_sha256(Bytes key, Parts parts, std::span<std::uint8_t, digest_bytes> out) noexcept = 0;

  Digest sha256(std::initializer_list<Bytes> parts) noexcept {
    Digest out;
    sha256(Parts(parts.begin(), parts.size()), out);
    return out;
  }
  Digest hmac_sha256(Bytes key, std::initializer_list<Bytes> parts) noexcept {
    Digest out;
    hmac_sha256(key, Parts(parts.begin(), parts.size()), out);
    return out;
  }
};

/// HKDF (RFC 5869) with SHA-256; `out` holds at most 255 * 32 bytes.
void hkdf_sha256(Hasher& hasher, Bytes ikm, Bytes salt, Bytes info, MutableBytes out) noexcept;

/// A string literal's characters as bytes.
inline Bytes text_bytes(const char* text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text), std::strlen(text)};
}

}  // namespace tmr
