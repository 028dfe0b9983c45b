// The parts of the addon. Each registers its functions and classes on the exports object of an environment.
#pragma once

#include <node_api.h>

namespace tmr::addon {

/// False: an exception is pending and the module does not load.
using RegisterPart = bool (*)(napi_env env, napi_value exports) noexcept;

bool register_keys(napi_env env, napi_value exports) noexcept;
bool register_session(napi_env env, napi_value exports) noexcept;
bool register_handshake(napi_env env, napi_value exports) noexcept;
bool register_batch_mac(napi_env env, napi_value exports) noexcept;
bool register_orderer(napi_env env, napi_value exports) noexcept;
bool register_gateway(napi_env env, napi_value exports) noexcept;
bool register_sockets(napi_env env, napi_value exports) noexcept;
bool register_datagram(napi_env env, napi_value exports) noexcept;
bool register_vote(napi_env env, napi_value exports) noexcept;
bool register_merge(napi_env env, napi_value exports) noexcept;
bool register_layout(napi_env env, napi_value exports) noexcept;
bool register_primitives(napi_env env, napi_value exports) noexcept;

}  // namespace tmr::addon
