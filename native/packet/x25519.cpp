#include "packet/x25519.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <memory>

#include "base/wipe.hpp"
#include "packet/errors.hpp"

namespace tmr {

namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
struct FreeContext {
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

Status failed(Status status) noexcept {
  forget_errors();
  return status;
}

Key private_of(Bytes bytes) noexcept {
  assert(bytes.size() == curve_bytes);
  return Key(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, bytes.data(), bytes.size()));
}

}  // namespace

Status x25519_public(Bytes private_key, MutableBytes public_key) noexcept {
  assert(public_key.size() == curve_bytes);
  const Key key = private_of(private_key);
  std::size_t size = public_key.size();
  const bool done = key != nullptr && EVP_PKEY_get_raw_public_key(key.get(), public_key.data(), &size) == 1;
  return done && size == curve_bytes ? Status::ok : failed(Status::crypto_failed);
}

Status x25519_shared(Bytes private_key, Bytes public_key, MutableBytes shared) noexcept {
  assert(public_key.size() == curve_bytes && shared.size() == curve_bytes);
  const Key own = private_of(private_key);
  const Key peer(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, public_key.data(), public_key.size()));
  if (own == nullptr || peer == nullptr) return failed(Status::crypto_failed);
  const std::unique_ptr<EVP_PKEY_CTX, FreeContext> context(EVP_PKEY_CTX_new(own.get(), nullptr));
  if (context == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1) {
    return failed(Status::crypto_failed);
  }
  std::size_t size = shared.size();
  // OpenSSL refuses an all-zero result itself; that is looked at again, because the handshake's safety hangs on it.
  if (EVP_PKEY_derive(context.get(), shared.data(), &size) != 1 || size != curve_bytes || is_zero(shared)) {
    wipe(shared);
    return failed(Status::not_genuine);
  }
  return Status::ok;
}

Status x25519_random(MutableBytes private_key) noexcept {
  assert(private_key.size() == curve_bytes);
  return RAND_priv_bytes(private_key.data(), static_cast<int>(private_key.size())) == 1 ? Status::ok
                                                                                        : failed(Status::crypto_failed);
}

}  // namespace tmr
