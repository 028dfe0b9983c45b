// `primitives`: the layer below handshakes and sessions, laid open for published test vectors and for states that
// take days to reach. For tests only: not in the typed face of the engine, and no promise is made about it.
#include <memory>
#include <utility>

#include "addon/parts.hpp"
#include "addon/session_object.hpp"
#include "addon/support.hpp"
#include "base/buffer.hpp"
#include "packet/evp_hasher.hpp"
#include "packet/gcm.hpp"
#include "packet/session.hpp"
#include "packet/x25519.hpp"

namespace tmr::addon {

namespace {

/// sha256(bytes)
napi_value sha256(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Bytes bytes;
  if (!read_bytes(env, call[0], "bytes", bytes)) return nullptr;
  EvpHasher hasher;
  return make_buffer(env, Bytes(hasher.sha256({bytes})));
}

/// hmacSha256(key, bytes)
napi_value hmac_sha256(napi_env env, napi_callback_info info) noexcept {
  const Call<2> call(env, info);
  Bytes key;
  Bytes bytes;
  if (!read_bytes(env, call[0], "key", key) || !read_bytes(env, call[1], "bytes", bytes)) return nullptr;
  EvpHasher hasher;
  return make_buffer(env, Bytes(hasher.hmac_sha256(key, {bytes})));
}

/// hkdfSha256(ikm, salt, info, size)
napi_value hkdf(napi_env env, napi_callback_info callback_info) noexcept {
  const Call<4> call(env, callback_info);
  Bytes ikm;
  Bytes salt;
  Bytes info;
  std::uint64_t size = 0;
  if (!read_bytes(env, call[0], "ikm", ikm) || !read_bytes(env, call[1], "salt", salt) ||
      !read_bytes(env, call[2], "info", info) || !read_integer(env, call[3], "size", 1, 255 * digest_bytes, size)) {
    return nullptr;
  }
  MutableBytes out;
  napi_value buffer = make_buffer(env, static_cast<std::size_t>(size), out);
  if (buffer == nullptr) return nullptr;
  EvpHasher hasher;
  hkdf_sha256(hasher, ikm, salt, info, out);
  return buffer;
}

/// x25519(privateKey, publicKey), null for an all-zero secret
napi_value x25519(napi_env env, napi_callback_info info) noexcept {
  const Call<2> call(env, info);
  Bytes private_key;
  Bytes public_key;
  std::uint8_t shared[curve_bytes];
  if (!read_bytes_of(env, call[0], "privateKey", curve_bytes, private_key) ||
      !read_bytes_of(env, call[1], "publicKey", curve_bytes, public_key)) {
    return nullptr;
  }
  const Status status = x25519_shared(private_key, public_key, shared);
  return status == Status::ok ? make_buffer(env, Bytes(shared)) : make_null(env);
}

/// gcmSeal(key, nonce, associated, text) and gcmOpen(key, nonce, associated, sealed), which may be null
napi_value gcm(napi_env env, napi_callback_info info, Gcm::Direction direction) noexcept {
  const bool seals = direction == Gcm::Direction::seal;
  const Call<4> call(env, info);
  Bytes key;
  Bytes nonce_input;
  Bytes associated;
  Bytes input;
  if (!read_bytes_of(env, call[0], "key", key_bytes, key) ||
      !read_bytes_of(env, call[1], "nonce", nonce_bytes, nonce_input) ||
      !read_bytes(env, call[2], "associated", associated) || !read_bytes(env, call[3], "input", input)) {
    return nullptr;
  }
  Nonce nonce;
  copy(nonce, nonce_input);
  BoundedBuffer memory(input.size() + tag_bytes);
  MutableBytes bytes;
  Gcm cipher;
  if (memory.extend(input.size() + (seals ? tag_bytes : 0), bytes) != Status::ok || !cipher.set_key(key, direction)) {
    return throw_misuse(env, Misuse::state, "the cipher could not be set up");
  }
  copy(bytes, input);
  if (seals) return cipher.seal(nonce, associated, bytes) ? make_buffer(env, Bytes(bytes)) : make_null(env);
  if (!cipher.open(nonce, associated, bytes)) return make_null(env);
  return make_buffer(env, Bytes(bytes.first(bytes.size() - tag_bytes)));
}

napi_value gcm_seal(napi_env env, napi_callback_info info) noexcept { return gcm(env, info, Gcm::Direction::seal); }
napi_value gcm_open(napi_env env, napi_callback_info info) noexcept { return gcm(env, info, Gcm::Direction::open); }

bool read_counter(napi_env env, napi_value value, const char* what, std::uint64_t& out) noexcept {
  bool lossless = false;
  if (napi_get_value_bigint_uint64(env, value, &out, &lossless) == napi_ok && lossless) return true;
  throw_misuse(env, Misuse::argument, "%s must be a bigint below 2^64", what);
  return false;
}

/// createSession(sendKey, receiveKey, sendCounter, receiveCounter, maxMessageBytes)
napi_value create_session(napi_env env, napi_callback_info info) noexcept {
  const Call<5> call(env, info);
  Bytes send_key;
  Bytes receive_key;
  std::uint64_t send_counter = 0;
  std::uint64_t receive_counter = 0;
  std::uint64_t max_message_bytes = 0;
  if (!read_bytes_of(env, call[0], "sendKey", key_bytes, send_key) ||
      !read_bytes_of(env, call[1], "receiveKey", key_bytes, receive_key) ||
      !read_counter(env, call[2], "sendCounter", send_counter) ||
      !read_counter(env, call[3], "receiveCounter", receive_counter) ||
      !read_integer(env, call[4], "maxMessageBytes", 1, 1U << 30, max_message_bytes)) {
    return nullptr;
  }
  auto session = std::make_unique<Session>(static_cast<std::size_t>(max_message_bytes));
  if (session->start(send_key, receive_key, send_counter, receive_counter) != Status::ok) {
    return throw_misuse(env, Misuse::state, "the keys could not be set");
  }
  return make_session(env, std::move(session));
}

/// bufferedCapacity(session): bytes of memory that it holds for incomplete frames and messages
napi_value buffered_capacity(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  const Session* session = peek_session(env, call[0]);
  return make_number(env, session == nullptr ? 0 : static_cast<double>(session->buffered_capacity()));
}

}  // namespace

bool register_primitives(napi_env env, napi_value exports) noexcept {
  napi_value primitives = nullptr;
  return napi_create_object(env, &primitives) == napi_ok && set_function(env, primitives, "sha256", sha256) &&
         set_function(env, primitives, "hmacSha256", hmac_sha256) &&
         set_function(env, primitives, "hkdfSha256", hkdf) && set_function(env, primitives, "x25519", x25519) &&
         set_function(env, primitives, "gcmSeal", gcm_seal) && set_function(env, primitives, "gcmOpen", gcm_open) &&
         set_function(env, primitives, "createSession", create_session) &&
         set_function(env, primitives, "bufferedCapacity", buffered_capacity) &&
         set_value(env, exports, "primitives", primitives);
}

}  // namespace tmr::addon
