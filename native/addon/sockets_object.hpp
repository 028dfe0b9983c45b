// The Sockets that JavaScript holds: their place in the life of an environment and of their gateway.
#pragma once

#include <memory>
#include <utility>

#include "addon/support.hpp"
#include "sockets/sockets.hpp"

namespace tmr::addon {

/// Sockets on the loop of an environment, whose owner is a JavaScript function. They live until they are closed, by whoever is
/// first: JavaScript, the end of their gateway, or that of the environment.
class LoopSockets final : public Sockets::Listener {
 public:
  LoopSockets(napi_env env, Gateway& gateway, const Sockets::Limits& limits) : sockets(gateway, limits, *this), env_(env) {}

  /// nullptr: an exception is pending.
  static std::shared_ptr<LoopSockets> start(napi_env env, Gateway& gateway, const Sockets::Limits& limits,
                                            napi_value turn) noexcept;
  /// Idempotent; the sockets may be gone after it.
  void close() noexcept;

  Sockets sockets;

 private:
  void turn(std::uint32_t arrived) noexcept override;
  void gone() noexcept override;

  napi_env env_;
  napi_ref turn_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  /// Held by the loop.
  std::shared_ptr<LoopSockets> self_;
};

struct SocketsObject {
  static constexpr const char* class_name = "Sockets";
  static constexpr ClassId class_id = ClassId::sockets;
  static constexpr napi_type_tag tag = {0x1f86d2c9704b4ea5, 0x9d0be3175f2ac684};

  explicit SocketsObject(std::shared_ptr<LoopSockets> owned) noexcept : native(std::move(owned)) {}
  ~SocketsObject() { close(); }
  SocketsObject(const SocketsObject&) = delete;
  SocketsObject& operator=(const SocketsObject&) = delete;
  SocketsObject(SocketsObject&&) = delete;
  SocketsObject& operator=(SocketsObject&&) = delete;

  void close() noexcept {
    if (native != nullptr) std::exchange(native, nullptr)->close();
  }

  /// Null once closed.
  std::shared_ptr<LoopSockets> native;
};

}  // namespace tmr::addon
