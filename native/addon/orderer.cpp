// The Orderer that JavaScript holds: an Ordering on plain messages.
#include "addon/ordering.hpp"
#include "addon/parts.hpp"

namespace tmr::addon {

namespace {

napi_value add_client(napi_env env, napi_callback_info info) noexcept {
  Orderer* orderer = orderer_of<OrdererObject>(env, Call<0>(env, info).self);
  if (orderer == nullptr) return nullptr;
  const std::uint32_t client = orderer->add_client();
  return make_number(env, client == ClientTable::none ? -1.0 : static_cast<double>(client));
}

napi_value remove_client(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Orderer* orderer = orderer_of<OrdererObject>(env, call.self);
  std::uint32_t client = 0;
  if (orderer == nullptr || !read_client(env, call[0], client)) return nullptr;
  orderer->remove_client(client);
  return make_undefined(env);
}

napi_value client_message(napi_env env, napi_callback_info info) noexcept {
  const Call<2> call(env, info);
  Orderer* orderer = orderer_of<OrdererObject>(env, call.self);
  std::uint32_t client = 0;
  Bytes message;
  if (orderer == nullptr || !read_client(env, call[0], client) || !read_bytes(env, call[1], "message", message)) {
    return nullptr;
  }
  return make_intake(env, orderer->client_message(client, message));
}

napi_value take_client_message(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Orderer* orderer = orderer_of<OrdererObject>(env, call.self);
  std::uint32_t client = 0;
  if (orderer == nullptr || !read_client(env, call[0], client)) return nullptr;
  return make_buffer_or_null(env, orderer->take_client_message(client));
}

napi_value take_append(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Orderer* orderer = orderer_of<OrdererObject>(env, call.self);
  int upstream = 0;
  if (orderer == nullptr || !read_upstream(env, call[0], upstream)) return nullptr;
  const std::optional<AppendParts> parts = orderer->take_append(upstream);
  if (!parts) return make_null(env);
  MutableBytes room;
  napi_value buffer = make_buffer(env, parts->header.size() + parts->batch.size(), room);
  if (buffer == nullptr) return nullptr;
  copy(room, parts->header);
  copy(room.subspan(parts->header.size()), parts->batch);
  return buffer;
}

}  // namespace

bool register_orderer(napi_env env, napi_value exports) noexcept {
  return Wrapped<OrdererObject>::define(env, {TMR_ORDERING_PROPERTIES(OrdererObject),
                                              method("addClient", add_client),
                                              method("removeClient", remove_client),
                                              method("clientMessage", client_message),
                                              method("takeClientMessage", take_client_message),
                                              method("takeAppend", take_append)}) &&
         set_function(env, exports, "createOrderer", create_ordering<OrdererObject>);
}

}  // namespace tmr::addon
