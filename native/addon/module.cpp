// Loading into one environment: the per-environment data, then every part in turn.
#include <bit>
#include <new>

#include "addon/parts.hpp"
#include "addon/support.hpp"

namespace tmr::addon {

namespace {

static_assert(std::endian::native == std::endian::little,
              "the TypeScript side reads records as words of the machine, which must be those of the wire");

/// To add a part: declare it in parts.hpp, list it here.
constexpr RegisterPart parts[] = {
    register_keys,
    register_session,
    register_handshake,
    register_batch_mac,
    register_orderer,
    register_gateway,
    register_sockets,
    register_datagram,
    register_vote,
    register_merge,
    register_layout,
    register_primitives,
};

void release_environment(napi_env, void* data, void*) noexcept { delete static_cast<Environment*>(data); }

napi_value initialize(napi_env env, napi_value exports) noexcept {
  auto* environment = new (std::nothrow) Environment();
  if (environment == nullptr) return throw_misuse(env, Misuse::state, "out of memory");
  if (napi_set_instance_data(env, environment, release_environment, nullptr) != napi_ok) {
    delete environment;
    return throw_misuse(env, Misuse::state, "the environment refuses instance data");
  }
  for (const RegisterPart part : parts) {
    if (!part(env, exports)) return throw_misuse(env, Misuse::state, "a part of the engine could not be registered");
  }
  return exports;
}

}  // namespace

}  // namespace tmr::addon

NAPI_MODULE_INIT() { return tmr::addon::initialize(env, exports); }
