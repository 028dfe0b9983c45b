// Key pairs, and which crypto library does the work.
#include <openssl/crypto.h>

#include <cstring>

#include "addon/parts.hpp"
#include "addon/support.hpp"
#include "base/wipe.hpp"
#include "packet/x25519.hpp"

namespace tmr::addon {

namespace {

napi_value crypto_failed(napi_env env) noexcept {
  return throw_misuse(env, Misuse::state, "the crypto library could not make a key");
}

napi_value generate_key_pair(napi_env env, napi_callback_info) noexcept {
  SecretBytes<curve_bytes> private_key;
  std::uint8_t public_key[curve_bytes];
  if (x25519_random(private_key.fill()) != Status::ok ||
      x25519_public(private_key.view(), public_key) != Status::ok) {
    return crypto_failed(env);
  }
  napi_value pair = nullptr;
  if (napi_create_object(env, &pair) != napi_ok ||
      !set_value(env, pair, "publicKey", make_buffer(env, Bytes(public_key))) ||
      !set_value(env, pair, "privateKey", make_buffer(env, Bytes(private_key.view())))) {
    return nullptr;
  }
  return pair;
}

napi_value public_key_of(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Bytes private_key;
  if (!read_bytes_of(env, call[0], "privateKey", curve_bytes, private_key)) return nullptr;
  std::uint8_t public_key[curve_bytes];
  if (x25519_public(private_key, public_key) != Status::ok) return crypto_failed(env);
  return make_buffer(env, Bytes(public_key));
}

/// "OpenSSL 3.5.4" of "OpenSSL 3.5.4 30 Sep 2025".
napi_value crypto_version(napi_env env) noexcept {
  char version[64] = {};
  std::strncpy(version, OpenSSL_version(OPENSSL_VERSION), sizeof(version) - 1);
  char* name_end = std::strchr(version, ' ');
  char* number_end = name_end == nullptr ? nullptr : std::strchr(name_end + 1, ' ');
  if (number_end != nullptr) *number_end = '\0';
  return make_text(env, version);
}

}  // namespace

bool register_keys(napi_env env, napi_value exports) noexcept {
  return set_value(env, exports, "cryptoVersion", crypto_version(env)) &&
         set_function(env, exports, "generateKeyPair", generate_key_pair) &&
         set_function(env, exports, "publicKey", public_key_of);
}

}  // namespace tmr::addon
