#include "addon/sockets_object.hpp"

#include <algorithm>
#include <utility>

#include "addon/ordering.hpp"
#include "addon/parts.hpp"
#include "addon/wrapped.hpp"

namespace tmr::addon {

std::shared_ptr<LoopSockets> LoopSockets::start(napi_env env, Gateway& gateway, const Sockets::Limits& limits,
                                                napi_value turn) noexcept {
  auto made = std::make_shared<LoopSockets>(env, gateway, limits);
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok || napi_create_reference(env, turn, 1, &made->turn_) != napi_ok ||
      !made->sockets.start(loop)) {
    throw_misuse(env, Misuse::state, "the environment gives no event loop");
    return nullptr;
  }
  made->self_ = made;
  const auto end = [](napi_async_cleanup_hook_handle, void* data) noexcept { static_cast<LoopSockets*>(data)->close(); };
  napi_add_async_cleanup_hook(env, end, made.get(), &made->hook_);
  return made;
}

void LoopSockets::close() noexcept {
  if (turn_ != nullptr) napi_delete_reference(env_, std::exchange(turn_, nullptr));
  sockets.close();
}

void LoopSockets::gone() noexcept {
  if (hook_ != nullptr) napi_remove_async_cleanup_hook(std::exchange(hook_, nullptr));
  // The last of it may end here.
  self_.reset();
}

void LoopSockets::turn(std::uint32_t arrived) noexcept {
  if (turn_ == nullptr) return;
  const std::shared_ptr<LoopSockets> kept = self_;
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value function = nullptr;
  napi_value receiver = nullptr;
  napi_get_reference_value(env_, turn_, &function);
  napi_get_global(env_, &receiver);
  napi_value argument = make_number(env_, arrived);
  // Runs what JavaScript has queued behind it too, as after every callback of Node's own.
  if (napi_make_callback(env_, nullptr, receiver, function, 1, &argument, nullptr) == napi_pending_exception) {
    napi_value error = nullptr;
    if (napi_get_and_clear_last_exception(env_, &error) == napi_ok) napi_fatal_exception(env_, error);
  }
  napi_close_handle_scope(env_, scope);
}

namespace {

/// What JavaScript counts exactly.
constexpr std::uint64_t most_limit = (std::uint64_t{1} << 53) - 1;

bool read_limit(napi_env env, napi_value options, const char* name, std::uint64_t& out) noexcept {
  napi_value value = nullptr;
  return read_property(env, options, name, value) && read_integer(env, value, name, 1, most_limit, out);
}

bool read_limits(napi_env env, napi_value options, Sockets::Limits& out) noexcept {
  std::uint64_t pause_above = 0;
  std::uint64_t most_upstream = 0;
  std::uint64_t most_pending = 0;
  if (!read_limit(env, options, "pauseAboveBytes", pause_above) ||
      !read_limit(env, options, "unreadTimeoutMs", out.unread_timeout_ms) ||
      !read_limit(env, options, "idleTimeoutMs", out.idle_timeout_ms) ||
      !read_limit(env, options, "sessionIdleTimeoutMs", out.session_idle_timeout_ms) ||
      !read_limit(env, options, "maxPendingOfClient", most_pending) ||
      !read_limit(env, options, "maxUpstreamBytes", most_upstream)) {
    return false;
  }
  out.pause_above_bytes = static_cast<std::size_t>(pause_above);
  out.most_pending_of_client = static_cast<std::uint32_t>(std::min<std::uint64_t>(most_pending, UINT32_MAX));
  out.most_upstream_bytes = static_cast<std::size_t>(most_upstream);
  return true;
}

napi_value create_sockets(napi_env env, napi_callback_info info) noexcept {
  const Call<2> call(env, info);
  Sockets::Limits limits;
  napi_value turn = nullptr;
  if (!is_object(env, call[1])) return throw_misuse(env, Misuse::argument, "options must be an object");
  if (!read_limits(env, call[1], limits) || !read_property(env, call[1], "turn", turn)) return nullptr;
  napi_valuetype type = napi_undefined;
  napi_typeof(env, turn, &type);
  if (type != napi_function) return throw_misuse(env, Misuse::argument, "turn must be a function");
  // The gateway last: getters of the others could run JavaScript that closes it.
  GatewayObject* gateway = Wrapped<GatewayObject>::find(env, call[0]);
  if (gateway == nullptr) return throw_misuse(env, Misuse::argument, "gateway must be a Gateway");
  if (gateway->native == nullptr) return throw_misuse(env, Misuse::closed, "gateway is closed");
  if (gateway->sockets != nullptr && !gateway->sockets->sockets.is_closed()) {
    return throw_misuse(env, Misuse::state, "gateway has sockets already");
  }
  std::shared_ptr<LoopSockets> sockets = LoopSockets::start(env, *gateway->native, limits, turn);
  if (sockets == nullptr) return nullptr;
  gateway->sockets = sockets;
  return Wrapped<SocketsObject>::create(env, std::make_unique<SocketsObject>(std::move(sockets)));
}

/// The receiver's sockets; nullptr: an exception is pending.
Sockets* sockets_of(napi_env env, napi_value self) noexcept {
  SocketsObject* object = Wrapped<SocketsObject>::receiver(env, self);
  if (object == nullptr) return nullptr;
  // Closed by itself, or with its gateway.
  if (object->native != nullptr && !object->native->sockets.is_closed()) return &object->native->sockets;
  throw_misuse(env, Misuse::closed, "the Sockets are closed");
  return nullptr;
}

bool read_client_peer(napi_env env, napi_value value, Socket::Peer& out) noexcept {
  return read_client(env, value, out.client);
}

bool read_upstream_peer(napi_env env, napi_value value, Socket::Peer& out) noexcept {
  return read_upstream(env, value, out.upstream);
}

using ReadPeer = bool (*)(napi_env env, napi_value value, Socket::Peer& out) noexcept;

template <ReadPeer Read>
napi_value open(napi_env env, napi_callback_info info) noexcept {
  const Call<3> call(env, info);
  Sockets* sockets = sockets_of(env, call.self);
  Socket::Peer peer;
  std::uint64_t descriptor = 0;
  Bytes rest;
  if (sockets == nullptr || !Read(env, call[0], peer) ||
      !read_integer(env, call[1], "descriptor", 0, INT32_MAX, descriptor) || !read_bytes(env, call[2], "rest", rest)) {
    return nullptr;
  }
  return make_boolean(env, sockets->open(peer, static_cast<int>(descriptor), rest));
}

template <ReadPeer Read>
napi_value drop(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Sockets* sockets = sockets_of(env, call.self);
  Socket::Peer peer;
  if (sockets == nullptr || !Read(env, call[0], peer)) return nullptr;
  sockets->drop(peer);
  return make_undefined(env);
}

napi_value end_client(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Sockets* sockets = sockets_of(env, call.self);
  Socket::Peer peer;
  if (sockets == nullptr || !read_client_peer(env, call[0], peer)) return nullptr;
  sockets->end_client(peer.client);
  return make_undefined(env);
}

napi_value flush(napi_env env, napi_callback_info info) noexcept {
  Sockets* sockets = sockets_of(env, Call<0>(env, info).self);
  if (sockets == nullptr) return nullptr;
  sockets->flush();
  return make_undefined(env);
}

const char* name_of(Sockets::Why why) noexcept {
  switch (why) {
    case Sockets::Why::ended: return "ended";
    case Sockets::Why::failed: return "failed";
    case Sockets::Why::not_genuine: return "not-genuine";
    case Sockets::Why::unread: return "unread";
    case Sockets::Why::idle: return "idle";
  }
  return "failed";
}

napi_value take_closed(napi_env env, napi_callback_info info) noexcept {
  Sockets* sockets = sockets_of(env, Call<0>(env, info).self);
  if (sockets == nullptr) return nullptr;
  const std::optional<Sockets::Closed> closed = sockets->take_closed();
  if (!closed) return make_null(env);
  const auto& [peer, why, error] = *closed;
  napi_value object = nullptr;
  const bool made = napi_create_object(env, &object) == napi_ok &&
                    set_value(env, object, "upstream", make_number(env, peer.upstream)) &&
                    set_value(env, object, "client", make_number(env, peer.upstream == 0 ? peer.client : -1.0)) &&
                    set_value(env, object, "why", make_text(env, name_of(why))) &&
                    set_value(env, object, "error", make_text(env, error == 0 ? "" : uv_err_name(error)));
  return made ? object : nullptr;
}

napi_value close(napi_env env, napi_callback_info info) noexcept {
  SocketsObject* object = Wrapped<SocketsObject>::receiver(env, Call<0>(env, info).self);
  if (object == nullptr) return nullptr;
  object->close();
  return make_undefined(env);
}

}  // namespace

bool register_sockets(napi_env env, napi_value exports) noexcept {
  return Wrapped<SocketsObject>::define(env, {method("openClient", open<read_client_peer>),
                                              method("openUpstream", open<read_upstream_peer>),
                                              method("dropClient", drop<read_client_peer>),
                                              method("dropUpstream", drop<read_upstream_peer>),
                                              method("endClient", end_client),
                                              method("flush", flush),
                                              method("takeClosed", take_closed),
                                              method("close", close)}) &&
         set_function(env, exports, "createSockets", create_sockets);
}

}  // namespace tmr::addon
