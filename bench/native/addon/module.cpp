// make(name, ...numbers) -> { run(), output() }. What JavaScript hands in is this repository's own code: no checks.
#include <node_api.h>

#include <cstring>

#include "bench_addon.hpp"

namespace tmr::bench {

namespace {

Measured* measured_of(napi_env env, napi_callback_info info) noexcept {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return static_cast<Measured*>(data);
}

napi_value run(napi_env env, napi_callback_info info) noexcept {
  measured_of(env, info)->run();
  return nullptr;
}

napi_value output(napi_env env, napi_callback_info info) noexcept {
  const Bytes bytes = measured_of(env, info)->output();
  napi_value buffer = nullptr;
  napi_create_buffer_copy(env, bytes.size(), bytes.data(), nullptr, &buffer);
  return buffer;
}

Measured* make_named(const char* name, const std::uint32_t (&n)[3]) {
  if (std::strcmp(name, "session-packets") == 0) return new_session_packets(n[0], n[1]);
  if (std::strcmp(name, "bare-packets") == 0) return new_bare_packets(n[0], n[1], n[2] != 0);
  if (std::strcmp(name, "vote") == 0) return new_vote(n[0], n[1], n[2]);
  if (std::strcmp(name, "compare") == 0) return new_compare(n[0], n[1], n[2]);
  return nullptr;
}

napi_value make(napi_env env, napi_callback_info info) noexcept {
  napi_value arguments[4];
  std::size_t count = 4;
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  char name[32];
  napi_get_value_string_utf8(env, arguments[0], name, sizeof(name), nullptr);
  std::uint32_t numbers[3] = {};
  for (std::size_t i = 1; i < count; i++) napi_get_value_uint32(env, arguments[i], &numbers[i - 1]);

  Measured* measured = make_named(name, numbers);
  if (measured == nullptr) {
    napi_throw_error(env, nullptr, "there is no such bench");
    return nullptr;
  }
  const napi_property_descriptor methods[] = {
      {"run", nullptr, run, nullptr, nullptr, nullptr, napi_enumerable, measured},
      {"output", nullptr, output, nullptr, nullptr, nullptr, napi_enumerable, measured},
  };
  napi_value object = nullptr;
  napi_create_object(env, &object);
  napi_define_properties(env, object, 2, methods);
  // The functions hold the object's memory: whoever keeps one of them has to keep the object too.
  const auto forget = [](napi_env, void* data, void*) { delete static_cast<Measured*>(data); };
  napi_wrap(env, object, measured, forget, nullptr, nullptr);
  return object;
}

}  // namespace

}  // namespace tmr::bench

NAPI_MODULE_INIT() {
  napi_value function = nullptr;
  napi_create_function(env, "make", NAPI_AUTO_LENGTH, tmr::bench::make, nullptr, &function);
  napi_set_named_property(env, exports, "make", function);
  return exports;
}
