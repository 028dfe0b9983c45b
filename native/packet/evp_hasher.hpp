// The engine's hashing by the OpenSSL inside the node binary.
#pragma once

#include <memory>

#include "base/hasher.hpp"

struct evp_md_ctx_st;
struct evp_mac_ctx_st;

namespace tmr {

class EvpHasher final : public Hasher {
 public:
  EvpHasher() noexcept;
  ~EvpHasher() override;
  EvpHasher(const EvpHasher&) = delete;
  EvpHasher& operator=(const EvpHasher&) = delete;
  EvpHasher(EvpHasher&&) = delete;
  EvpHasher& operator=(EvpHasher&&) = delete;

  using Hasher::hmac_sha256;
  using Hasher::sha256;
  void sha256(Parts parts, std::span<std::uint8_t, digest_bytes> out) noexcept override;
  void hmac_sha256(Bytes key, Parts parts, std::span<std::uint8_t, digest_bytes> out) noexcept override;

 private:
  evp_md_ctx_st* digest_;
  evp_mac_ctx_st* mac_;
};

}  // namespace tmr
