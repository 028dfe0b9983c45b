// What the JavaScript Orderer and Gateway have in common: construction from options, and the methods of Ordering.
#pragma once

#include "addon/support.hpp"
#include "addon/wrapped.hpp"
#include "gateway/gateway.hpp"
#include "gateway/orderer.hpp"
#include "packet/evp_hasher.hpp"

namespace tmr::addon {

class LoopSockets;

struct OrdererObject {
  static constexpr const char* class_name = "Orderer";
  static constexpr ClassId class_id = ClassId::orderer;
  static constexpr napi_type_tag tag = {0x3d6f0c9be2a14875, 0xb17d42a86e5c90f3};

  OrdererObject(const OrderingOptions& options) : native(std::make_unique<Orderer>(options, hasher)) {}

  Orderer* orderer() noexcept { return native.get(); }
  void close() noexcept { native.reset(); }

  EvpHasher hasher;
  /// Null once closed.
  std::unique_ptr<Orderer> native;
};

struct GatewayObject {
  static constexpr const char* class_name = "Gateway";
  static constexpr ClassId class_id = ClassId::gateway;
  static constexpr napi_type_tag tag = {0x6a92e4f70b3c4d18, 0x85fe213c7d09b64a};

  GatewayObject(const OrderingOptions& options) : native(std::make_unique<Gateway>(options, hasher)) {}
  ~GatewayObject() { close(); }
  GatewayObject(const GatewayObject&) = delete;
  GatewayObject& operator=(const GatewayObject&) = delete;
  GatewayObject(GatewayObject&&) = delete;
  GatewayObject& operator=(GatewayObject&&) = delete;

  Orderer* orderer() noexcept { return native == nullptr ? nullptr : &native->orderer(); }
  void close() noexcept;

  EvpHasher hasher;
  /// Null once closed.
  std::unique_ptr<Gateway> native;
  /// What gives it bytes without JavaScript: closed before it. Null without.
  std::shared_ptr<LoopSockets> sockets;
};

/// Reads OrderingOptions; `twin_key` in it points into JavaScript's memory. False: an ERR_TMR_ARGUMENT is pending.
bool read_ordering_options(napi_env env, napi_value value, OrderingOptions& out) noexcept;

/// The receiver of a method, open; nullptr: an exception is pending.
template <class Object>
Object* open_receiver(napi_env env, napi_value self) noexcept {
  Object* object = Wrapped<Object>::receiver(env, self);
  if (object == nullptr) return nullptr;
  if (object->native != nullptr) return object;
  throw_misuse(env, Misuse::closed, "the %s is closed", Object::class_name);
  return nullptr;
}

template <class Object>
Orderer* orderer_of(napi_env env, napi_value self) noexcept {
  Object* object = open_receiver<Object>(env, self);
  return object == nullptr ? nullptr : object->orderer();
}

bool read_upstream(napi_env env, napi_value value, int& out) noexcept;
bool read_client(napi_env env, napi_value value, std::uint32_t& out) noexcept;
inline napi_value make_intake(napi_env env, Intake intake) noexcept {
  return make_number(env, static_cast<double>(intake));
}
/// A Buffer with a copy, or null when there is nothing.
inline napi_value make_buffer_or_null(napi_env env, Bytes bytes) noexcept {
  return bytes.empty() ? make_null(env) : make_buffer(env, bytes);
}

// Bodies of the methods, the same for both classes.
napi_value activate(Orderer& orderer, const Call<4>& call) noexcept;
napi_value deactivate(Orderer& orderer, const Call<4>& call) noexcept;
napi_value stream(Orderer& orderer, const Call<4>& call) noexcept;
napi_value unstream(Orderer& orderer, const Call<4>& call) noexcept;
napi_value resend(Orderer& orderer, const Call<4>& call) noexcept;
napi_value propose(Orderer& orderer, const Call<4>& call) noexcept;
napi_value next_batch(Orderer& orderer, const Call<4>& call) noexcept;
napi_value refuse_pending(Orderer& orderer, const Call<4>& call) noexcept;
napi_value refuse_all(Orderer& orderer, const Call<4>& call) noexcept;
napi_value reached(Orderer& orderer, const Call<4>& call) noexcept;
napi_value position(Orderer& orderer, const Call<4>& call) noexcept;
napi_value carried(Orderer& orderer, const Call<4>& call) noexcept;
napi_value pending(Orderer& orderer, const Call<4>& call) noexcept;
napi_value carried_digest(Orderer& orderer, const Call<4>& call) noexcept;
napi_value vote(Orderer& orderer, const Call<4>& call) noexcept;
napi_value acknowledged(Orderer& orderer, const Call<4>& call) noexcept;
napi_value clock_ms(Orderer& orderer, const Call<4>& call) noexcept;
napi_value batch_at(Orderer& orderer, const Call<4>& call) noexcept;
napi_value take_event(Orderer& orderer, const Call<4>& call) noexcept;
napi_value take_local_request(Orderer& orderer, const Call<4>& call) noexcept;
napi_value answer(Orderer& orderer, const Call<4>& call) noexcept;
napi_value set_client_address(Orderer& orderer, const Call<4>& call) noexcept;
napi_value client_closed(Orderer& orderer, const Call<4>& call) noexcept;
napi_value dirty_clients(Orderer& orderer, const Call<4>& call) noexcept;
napi_value counters(Orderer& orderer, const Call<4>& call) noexcept;

using OrderingMethod = napi_value (*)(Orderer& orderer, const Call<4>& call) noexcept;

/// Checks the receiver, then runs the method.
template <class Object, OrderingMethod Method>
napi_value ordering_method(napi_env env, napi_callback_info info) noexcept {
  const Call<4> call(env, info);
  Orderer* orderer = orderer_of<Object>(env, call.self);
  return orderer == nullptr ? nullptr : Method(*orderer, call);
}

/// Releases everything and wipes the keys. Idempotent.
template <class Object>
napi_value close_ordering(napi_env env, napi_callback_info info) noexcept {
  Object* object = Wrapped<Object>::receiver(env, Call<0>(env, info).self);
  if (object == nullptr) return nullptr;
  object->close();
  return make_undefined(env);
}

/// create(options) of either class.
template <class Object>
napi_value create_ordering(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  OrderingOptions options;
  if (!read_ordering_options(env, call[0], options)) return nullptr;
  return Wrapped<Object>::create(env, std::make_unique<Object>(options));
}

}  // namespace tmr::addon

/// The properties of Ordering for a class whose native object is `Object`, to begin its list of properties with.
#define TMR_ORDERING_PROPERTIES(Object)                                                 \
  method("activate", ordering_method<Object, activate>),                                \
      method("deactivate", ordering_method<Object, deactivate>),                        \
      method("stream", ordering_method<Object, stream>),                                \
      method("unstream", ordering_method<Object, unstream>),                            \
      method("resend", ordering_method<Object, resend>),                                \
      method("propose", ordering_method<Object, propose>),                              \
      method("nextBatch", ordering_method<Object, next_batch>),                         \
      method("refusePending", ordering_method<Object, refuse_pending>),                 \
      method("refuseAll", ordering_method<Object, refuse_all>),                         \
      getter("reached", ordering_method<Object, reached>),                              \
      getter("position", ordering_method<Object, position>),                            \
      getter("carried", ordering_method<Object, carried>),                              \
      getter("pending", ordering_method<Object, pending>),                              \
      method("carriedDigest", ordering_method<Object, carried_digest>),                 \
      method("vote", ordering_method<Object, vote>),                                    \
      method("acknowledged", ordering_method<Object, acknowledged>),                    \
      method("clockMs", ordering_method<Object, clock_ms>),                             \
      method("batchAt", ordering_method<Object, batch_at>),                             \
      method("takeEvent", ordering_method<Object, take_event>),                         \
      method("takeLocalRequest", ordering_method<Object, take_local_request>),          \
      method("answer", ordering_method<Object, answer>),                                \
      method("setClientAddress", ordering_method<Object, set_client_address>),          \
      method("clientClosed", ordering_method<Object, client_closed>),                   \
      method("dirtyClients", ordering_method<Object, dirty_clients>),                   \
      method("counters", ordering_method<Object, counters>),                            \
      method("close", close_ordering<Object>)
