// A datagram to the service manager: Node itself has no Unix datagram sockets.
#include "sockets/datagram.hpp"

#include <uv.h>

#include "addon/parts.hpp"
#include "addon/support.hpp"

namespace tmr::addon {

namespace {

napi_value send(napi_env env, napi_callback_info info) noexcept {
  const Call<2> call(env, info);
  Bytes path;
  Bytes message;
  if (!read_bytes(env, call[0], "path", path) || !read_bytes(env, call[1], "message", message)) return nullptr;
  const int error = send_datagram(path, message);
  if (error == 0) return make_null(env);
  char name[32] = {};
  return make_text(env, uv_err_name_r(error, name, sizeof(name)));
}

}  // namespace

bool register_datagram(napi_env env, napi_value exports) noexcept {
  return set_function(env, exports, "sendDatagram", send);
}

}  // namespace tmr::addon
