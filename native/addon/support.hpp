// What every method of the addon does first: read arguments, check the receiver, throw misuse with a code. The hot
// path is plain Node-API; <napi.h> is there for what runs once.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.hpp"
#include "base/status.hpp"

namespace tmr::addon {

/// Classes whose instances JavaScript holds.
enum class ClassId : std::uint8_t { handshake, session, orderer, gateway, sockets, count };

/// What one environment (main thread or worker) owns. Environments share nothing.
struct Environment {
  napi_ref constructors[static_cast<std::size_t>(ClassId::count)] = {};
  /// By class, the wrapped object that a method was last called on.
  void* last_seen[static_cast<std::size_t>(ClassId::count)] = {};
  /// True while native code itself calls a constructor; JavaScript may not.
  bool constructing = false;
  /// Received bytes are decrypted here, so that the caller's buffer stays as it was.
  static constexpr std::size_t scratch_bytes = 64 * 1024;
  std::unique_ptr<std::uint8_t[]> scratch{new std::uint8_t[scratch_bytes]};

  static Environment* of(napi_env env) noexcept;
};

enum class Misuse : std::uint8_t { argument, state, closed };

/// Throws an Error with `code` ERR_TMR_ARGUMENT, ERR_TMR_STATE or ERR_TMR_CLOSED. Returns nullptr, to be returned on.
napi_value throw_misuse(napi_env env, Misuse misuse, const char* format, ...) noexcept
    __attribute__((format(printf, 3, 4)));

/// Arguments of one call; missing ones are undefined.
template <std::size_t Count>
struct Call {
  Call(napi_env environment, napi_callback_info info) noexcept : env(environment) {
    std::size_t count = Count;
    napi_get_cb_info(env, info, &count, arguments, &self, nullptr);
  }
  napi_value operator[](std::size_t index) const noexcept { return arguments[index]; }

  napi_env env;
  napi_value self = nullptr;
  napi_value arguments[Count > 0 ? Count : 1] = {};
};

// Readers of arguments. False: an ERR_TMR_ARGUMENT that names `what` is pending; return nullptr at once.
// Bytes stay valid while the caller runs no JavaScript.
bool read_bytes(napi_env env, napi_value value, const char* what, MutableBytes& out) noexcept;
bool read_bytes(napi_env env, napi_value value, const char* what, Bytes& out) noexcept;
/// A Uint32Array, to be filled.
bool read_numbers(napi_env env, napi_value value, const char* what, std::span<std::uint32_t>& out) noexcept;
bool read_bytes_of(napi_env env, napi_value value, const char* what, std::size_t size, Bytes& out) noexcept;
/// An integer between `least` and `most`, both at most 2^53 - 1.
bool read_integer(napi_env env, napi_value value, const char* what, std::uint64_t least, std::uint64_t most,
                  std::uint64_t& out) noexcept;
bool read_boolean(napi_env env, napi_value value, const char* what, bool& out) noexcept;
/// A property of an options object; false also when its getter threw.
bool read_property(napi_env env, napi_value object, const char* name, napi_value& out) noexcept;
bool is_object(napi_env env, napi_value value) noexcept;
bool is_undefined(napi_env env, napi_value value) noexcept;
bool is_null(napi_env env, napi_value value) noexcept;
/// True when the value is this text.
bool is_text(napi_env env, napi_value value, const char* text) noexcept;

// Makers of values. nullptr: an exception is pending (out of memory, or the environment is ending).
napi_value make_null(napi_env env) noexcept;
napi_value make_undefined(napi_env env) noexcept;
napi_value make_boolean(napi_env env, bool value) noexcept;
napi_value make_number(napi_env env, double value) noexcept;
napi_value make_text(napi_env env, const char* text) noexcept;
/// A Buffer with a copy of the bytes.
napi_value make_buffer(napi_env env, Bytes bytes) noexcept;
/// A Buffer to be filled now.
napi_value make_buffer(napi_env env, std::size_t size, MutableBytes& room) noexcept;

/// Adds a function to the exports or to another object.
bool set_function(napi_env env, napi_value object, const char* name, napi_callback function) noexcept;
bool set_value(napi_env env, napi_value object, const char* name, napi_value value) noexcept;

constexpr napi_property_descriptor method(const char* name, napi_callback function) noexcept {
  return {name, nullptr, function, nullptr, nullptr, nullptr, napi_default_method, nullptr};
}
constexpr napi_property_descriptor getter(const char* name, napi_callback function) noexcept {
  return {name, nullptr, nullptr, function, nullptr, nullptr, napi_default, nullptr};
}

}  // namespace tmr::addon
