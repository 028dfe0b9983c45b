// AES-256-GCM with a 12-byte nonce and a 16-byte tag, in place, by the OpenSSL inside the node binary.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.hpp"

struct evp_cipher_ctx_st;

namespace tmr {

constexpr std::size_t key_bytes = 32;
constexpr std::size_t tag_bytes = 16;
constexpr std::size_t nonce_bytes = 12;
using Nonce = std::array<std::uint8_t, nonce_bytes>;

/// One direction under one key. The key is expanded once; per packet only the nonce is set. Neither copies nor moves;
/// OpenSSL wipes the expanded key when it goes.
class Gcm {
 public:
  enum class Direction : std::uint8_t { seal, open };

  Gcm() noexcept = default;
  ~Gcm() = default;
  Gcm(const Gcm&) = delete;
  Gcm& operator=(const Gcm&) = delete;
  Gcm(Gcm&&) = delete;
  Gcm& operator=(Gcm&&) = delete;

  /// False: OpenSSL could not; there is no key then.
  [[nodiscard]] bool set_key(Bytes key, Direction direction) noexcept;
  bool has_key() const noexcept { return context_ != nullptr; }
  /// Encrypts all but the last 16 bytes and writes the tag there.
  [[nodiscard]] bool seal(const Nonce& nonce, Bytes associated, MutableBytes text_and_tag) noexcept;
  /// False: not genuine, and what was decrypted must not be looked at.
  [[nodiscard]] bool open(const Nonce& nonce, Bytes associated, MutableBytes text_and_tag) noexcept;
  void clear() noexcept { context_.reset(); }

 private:
  struct FreeContext {
    void operator()(evp_cipher_ctx_st* context) const noexcept;
  };

  bool run(const Nonce& nonce, Bytes associated, MutableBytes text) noexcept;

  std::unique_ptr<evp_cipher_ctx_st, FreeContext> context_;
};

}  // namespace tmr
