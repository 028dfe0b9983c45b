#include "addon/support.hpp"

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace tmr::addon {

Environment* Environment::of(napi_env env) noexcept {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Environment*>(data);
}

namespace {
const char* code_of(Misuse misuse) noexcept {
  switch (misuse) {
    case Misuse::argument: return "ERR_TMR_ARGUMENT";
    case Misuse::state: return "ERR_TMR_STATE";
    case Misuse::closed: return "ERR_TMR_CLOSED";
  }
  return "ERR_TMR_STATE";
}

napi_valuetype type_of(napi_env env, napi_value value) noexcept {
  napi_valuetype type = napi_undefined;
  if (value != nullptr) napi_typeof(env, value, &type);
  return type;
}
}  // namespace

napi_value throw_misuse(napi_env env, Misuse misuse, const char* format, ...) noexcept {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) return nullptr;
  char message[256];
  va_list values;
  va_start(values, format);
  std::vsnprintf(message, sizeof(message), format, values);
  va_end(values);
  napi_throw_error(env, code_of(misuse), message);
  return nullptr;
}

namespace {
/// The elements of a typed array of this type, or false without throwing.
template <class Element>
bool view_array(napi_env env, napi_value value, napi_typedarray_type wanted, std::span<Element>& out) noexcept {
  napi_typedarray_type type = napi_int8_array;
  std::size_t length = 0;
  void* data = nullptr;
  // It fails for what is no typed array, undefined included.
  if (value == nullptr) return false;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) return false;
  if (type != wanted) return false;
  out = length == 0 ? std::span<Element>{} : std::span<Element>{static_cast<Element*>(data), length};
  return true;
}
}  // namespace

bool read_bytes(napi_env env, napi_value value, const char* what, MutableBytes& out) noexcept {
  if (view_array(env, value, napi_uint8_array, out)) return true;
  throw_misuse(env, Misuse::argument, "%s must be a Uint8Array", what);
  return false;
}

bool read_numbers(napi_env env, napi_value value, const char* what, std::span<std::uint32_t>& out) noexcept {
  if (view_array(env, value, napi_uint32_array, out)) return true;
  throw_misuse(env, Misuse::argument, "%s must be a Uint32Array", what);
  return false;
}

bool read_bytes(napi_env env, napi_value value, const char* what, Bytes& out) noexcept {
  MutableBytes bytes;
  if (!read_bytes(env, value, what, bytes)) return false;
  out = bytes;
  return true;
}

bool read_bytes_of(napi_env env, napi_value value, const char* what, std::size_t size, Bytes& out) noexcept {
  if (!read_bytes(env, value, what, out)) return false;
  if (out.size() == size) return true;
  throw_misuse(env, Misuse::argument, "%s must have %zu bytes, got %zu", what, size, out.size());
  return false;
}

bool read_integer(napi_env env, napi_value value, const char* what, std::uint64_t least, std::uint64_t most,
                  std::uint64_t& out) noexcept {
  double number = NAN;
  if (type_of(env, value) == napi_number) napi_get_value_double(env, value, &number);
  if (std::trunc(number) == number && number >= static_cast<double>(least) && number <= static_cast<double>(most)) {
    out = static_cast<std::uint64_t>(number);
    return true;
  }
  throw_misuse(env, Misuse::argument, "%s must be an integer from %llu to %llu", what,
               static_cast<unsigned long long>(least), static_cast<unsigned long long>(most));
  return false;
}

bool read_boolean(napi_env env, napi_value value, const char* what, bool& out) noexcept {
  if (type_of(env, value) == napi_boolean && napi_get_value_bool(env, value, &out) == napi_ok) return true;
  throw_misuse(env, Misuse::argument, "%s must be true or false", what);
  return false;
}

bool read_property(napi_env env, napi_value object, const char* name, napi_value& out) noexcept {
  if (napi_get_named_property(env, object, name, &out) == napi_ok) return true;
  throw_misuse(env, Misuse::argument, "%s cannot be read", name);
  return false;
}

bool is_object(napi_env env, napi_value value) noexcept { return type_of(env, value) == napi_object; }
bool is_undefined(napi_env env, napi_value value) noexcept { return type_of(env, value) == napi_undefined; }
bool is_null(napi_env env, napi_value value) noexcept { return type_of(env, value) == napi_null; }

bool is_text(napi_env env, napi_value value, const char* text) noexcept {
  char found[64];
  std::size_t size = 0;
  if (type_of(env, value) != napi_string) return false;
  if (napi_get_value_string_utf8(env, value, found, sizeof(found), &size) != napi_ok) return false;
  return size == std::strlen(text) && std::memcmp(found, text, size) == 0;
}

napi_value make_null(napi_env env) noexcept {
  napi_value value = nullptr;
  napi_get_null(env, &value);
  return value;
}

napi_value make_undefined(napi_env env) noexcept {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

napi_value make_boolean(napi_env env, bool boolean) noexcept {
  napi_value value = nullptr;
  napi_get_boolean(env, boolean, &value);
  return value;
}

napi_value make_number(napi_env env, double number) noexcept {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

napi_value make_text(napi_env env, const char* text) noexcept {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return value;
}

napi_value make_buffer(napi_env env, Bytes bytes) noexcept {
  napi_value value = nullptr;
  napi_create_buffer_copy(env, bytes.size(), bytes.data(), nullptr, &value);
  return value;
}

napi_value make_buffer(napi_env env, std::size_t size, MutableBytes& room) noexcept {
  napi_value value = nullptr;
  void* data = nullptr;
  if (napi_create_buffer(env, size, &data, &value) != napi_ok) return nullptr;
  room = {static_cast<std::uint8_t*>(data), size};
  return value;
}

bool set_function(napi_env env, napi_value object, const char* name, napi_callback function) noexcept {
  napi_value value = nullptr;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value) == napi_ok &&
         set_value(env, object, name, value);
}

bool set_value(napi_env env, napi_value object, const char* name, napi_value value) noexcept {
  return value != nullptr && napi_set_named_property(env, object, name, value) == napi_ok;
}

}  // namespace tmr::addon
