#include "packet/evp_hasher.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstdio>
#include <cstdlib>

namespace tmr {

namespace {

void require(bool done) noexcept {
  if (done) return;
  std::fputs("tmr engine: SHA-256 failed inside OpenSSL\n", stderr);
  std::abort();
}

/// A context that knows its algorithm; per MAC only the key is set.
EVP_MAC_CTX* new_hmac_sha256() noexcept {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  EVP_MAC_CTX* context = mac == nullptr ? nullptr : EVP_MAC_CTX_new(mac);
  EVP_MAC_free(mac);
  char digest_name[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
      OSSL_PARAM_construct_end(),
  };
  require(context != nullptr && EVP_MAC_CTX_set_params(context, parameters) == 1);
  return context;
}

}  // namespace

EvpHasher::EvpHasher() noexcept : digest_(EVP_MD_CTX_new()), mac_(new_hmac_sha256()) {
  require(digest_ != nullptr && EVP_DigestInit_ex(digest_, EVP_sha256(), nullptr) == 1);
}

EvpHasher::~EvpHasher() {
  EVP_MD_CTX_free(digest_);
  EVP_MAC_CTX_free(mac_);
}

void EvpHasher::sha256(Parts parts, std::span<std::uint8_t, digest_bytes> out) noexcept {
  bool done = EVP_DigestInit_ex(digest_, nullptr, nullptr) == 1;
  for (const Bytes part : parts) done = done && EVP_DigestUpdate(digest_, part.data(), part.size()) == 1;
  require(done && EVP_DigestFinal_ex(digest_, out.data(), nullptr) == 1);
}

void EvpHasher::hmac_sha256(Bytes key, Parts parts, std::span<std::uint8_t, digest_bytes> out) noexcept {
  // A key of zeros is the same key as an empty one, and OpenSSL takes "no key" for "the key of before".
  static constexpr std::uint8_t no_key[1] = {};
  if (key.empty()) key = no_key;
  bool done = EVP_MAC_init(mac_, key.data(), key.size(), nullptr) == 1;
  for (const Bytes part : parts) done = done && EVP_MAC_update(mac_, part.data(), part.size()) == 1;
  std::size_t written = 0;
  require(done && EVP_MAC_final(mac_, out.data(), &written, out.size()) == 1 && written == out.size());
}

}  // namespace tmr
