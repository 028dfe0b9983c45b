// The Gateway that JavaScript holds: an Ordering behind encrypted connections.
#include <algorithm>
#include <utility>

#include "addon/ordering.hpp"
#include "addon/parts.hpp"
#include "addon/session_object.hpp"
#include "addon/sockets_object.hpp"

namespace tmr::addon {

namespace {

Gateway* gateway_of(napi_env env, napi_value self) noexcept {
  GatewayObject* object = open_receiver<GatewayObject>(env, self);
  return object == nullptr ? nullptr : object->native.get();
}

/// Gives the chunk to `take` in parts that are copies, because they are decrypted in place.
template <class Take>
Intake take_in_parts(napi_env env, Bytes chunk, Take take) noexcept {
  Environment& environment = *Environment::of(env);
  while (!chunk.empty()) {
    const MutableBytes part{environment.scratch.get(), std::min(chunk.size(), Environment::scratch_bytes)};
    copy(part, chunk.first(part.size()));
    chunk = chunk.subspan(part.size());
    const Intake intake = take(part);
    if (intake != Intake::ok) return intake;
  }
  return Intake::ok;
}

napi_value add_client(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Gateway* gateway = gateway_of(env, call.self);
  if (gateway == nullptr) return nullptr;
  const std::uint32_t client = gateway->add_client();
  if (client == ClientTable::none) return make_number(env, -1);
  std::unique_ptr<Session> session = take_session(env, call[0], "session");
  if (session == nullptr) {
    gateway->remove_client(client);
    return nullptr;
  }
  gateway->attach_client(client, std::move(session));
  return make_number(env, client);
}

napi_value remove_client(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Gateway* gateway = gateway_of(env, call.self);
  std::uint32_t client = 0;
  if (gateway == nullptr || !read_client(env, call[0], client)) return nullptr;
  gateway->remove_client(client);
  return make_undefined(env);
}

napi_value client_bytes(napi_env env, napi_callback_info info) noexcept {
  const Call<2> call(env, info);
  Gateway* gateway = gateway_of(env, call.self);
  std::uint32_t client = 0;
  Bytes chunk;
  if (gateway == nullptr || !read_client(env, call[0], client) || !read_bytes(env, call[1], "chunk", chunk)) {
    return nullptr;
  }
  return make_intake(
      env, take_in_parts(env, chunk, [&](MutableBytes part) { return gateway->client_bytes(client, part); }));
}

napi_value take_client_output(napi_env env, napi_callback_info info) noexcept {
  const Call<2> call(env, info);
  Gateway* gateway = gateway_of(env, call.self);
  MutableBytes slab;
  std::span<std::uint32_t> numbers;
  if (gateway == nullptr || !read_bytes(env, call[0], "slab", slab) || !read_numbers(env, call[1], "writes", numbers)) {
    return nullptr;
  }
  if (slab.size() < Gateway::least_slab_bytes || slab.size() > UINT32_MAX) {
    return throw_misuse(env, Misuse::argument, "slab must have at least %zu bytes", Gateway::least_slab_bytes);
  }
  static_assert(sizeof(Gateway::ClientWrite) == 3 * sizeof(std::uint32_t));
  const std::span<Gateway::ClientWrite> writes{reinterpret_cast<Gateway::ClientWrite*>(numbers.data()),
                                               numbers.size() / 3};
  return make_number(env, static_cast<double>(gateway->take_client_output(slab, writes)));
}

napi_value hold_client(napi_env env, napi_callback_info info) noexcept {
  const Call<2> call(env, info);
  Gateway* gateway = gateway_of(env, call.self);
  std::uint32_t client = 0;
  bool held = false;
  if (gateway == nullptr || !read_client(env, call[0], client) || !read_boolean(env, call[1], "held", held)) {
    return nullptr;
  }
  gateway->orderer().clients().hold(client, held);
  return make_undefined(env);
}

napi_value set_upstream(napi_env env, napi_callback_info info) noexcept {
  const Call<2> call(env, info);
  Gateway* gateway = gateway_of(env, call.self);
  int upstream = 0;
  if (gateway == nullptr || !read_upstream(env, call[0], upstream)) return nullptr;
  std::unique_ptr<Session> session = take_session(env, call[1], "session");
  if (session == nullptr) return nullptr;
  gateway->set_upstream(upstream, std::move(session));
  return make_undefined(env);
}

napi_value clear_upstream(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Gateway* gateway = gateway_of(env, call.self);
  int upstream = 0;
  if (gateway == nullptr || !read_upstream(env, call[0], upstream)) return nullptr;
  gateway->clear_upstream(upstream);
  return make_undefined(env);
}

napi_value upstream_bytes(napi_env env, napi_callback_info info) noexcept {
  const Call<2> call(env, info);
  Gateway* gateway = gateway_of(env, call.self);
  int upstream = 0;
  Bytes chunk;
  if (gateway == nullptr || !read_upstream(env, call[0], upstream) || !read_bytes(env, call[1], "chunk", chunk)) {
    return nullptr;
  }
  return make_intake(
      env, take_in_parts(env, chunk, [&](MutableBytes part) { return gateway->upstream_bytes(upstream, part); }));
}

napi_value take_control(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Gateway* gateway = gateway_of(env, call.self);
  int upstream = 0;
  if (gateway == nullptr || !read_upstream(env, call[0], upstream)) return nullptr;
  return make_buffer_or_null(env, gateway->take_control(upstream));
}

napi_value send_control(napi_env env, napi_callback_info info) noexcept {
  const Call<2> call(env, info);
  Gateway* gateway = gateway_of(env, call.self);
  int upstream = 0;
  Bytes message;
  if (gateway == nullptr || !read_upstream(env, call[0], upstream) || !read_bytes(env, call[1], "message", message)) {
    return nullptr;
  }
  if (message.empty() || message.size() > MAX_LINK_MESSAGE_BYTES) {
    return throw_misuse(env, Misuse::argument, "message must have 1 to %zu bytes", MAX_LINK_MESSAGE_BYTES);
  }
  gateway->send_control(upstream, message);
  return make_undefined(env);
}

napi_value set_session_timeouts(napi_env env, napi_callback_info info) noexcept {
  const Call<3> call(env, info);
  Gateway* gateway = gateway_of(env, call.self);
  // Results carry a time-out as u32.
  constexpr std::uint64_t most = UINT32_MAX;
  SessionTimeouts timeouts;
  if (gateway == nullptr || !read_integer(env, call[0], "min", 1, most, timeouts.least) ||
      !read_integer(env, call[1], "default", timeouts.least, most, timeouts.by_default) ||
      !read_integer(env, call[2], "max", timeouts.by_default, most, timeouts.most)) {
    return nullptr;
  }
  gateway->orderer().set_session_timeouts(timeouts);
  return make_undefined(env);
}

napi_value take_upstream_output(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Gateway* gateway = gateway_of(env, call.self);
  int upstream = 0;
  if (gateway == nullptr || !read_upstream(env, call[0], upstream)) return nullptr;
  return make_buffer_or_null(env, gateway->take_upstream_output(upstream));
}

}  // namespace

void GatewayObject::close() noexcept {
  if (sockets != nullptr) std::exchange(sockets, nullptr)->close();
  native.reset();
}

bool register_gateway(napi_env env, napi_value exports) noexcept {
  return Wrapped<GatewayObject>::define(env, {TMR_ORDERING_PROPERTIES(GatewayObject),
                                              method("addClient", add_client),
                                              method("removeClient", remove_client),
                                              method("clientBytes", client_bytes),
                                              method("takeClientOutput", take_client_output),
                                              method("holdClient", hold_client),
                                              method("setUpstream", set_upstream),
                                              method("clearUpstream", clear_upstream),
                                              method("upstreamBytes", upstream_bytes),
                                              method("takeControl", take_control),
                                              method("sendControl", send_control),
                                              method("setSessionTimeouts", set_session_timeouts),
                                              method("takeUpstreamOutput", take_upstream_output)}) &&
         set_function(env, exports, "createGateway", create_ordering<GatewayObject>);
}

}  // namespace tmr::addon
