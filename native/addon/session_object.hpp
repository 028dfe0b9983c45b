// The Session that JavaScript holds.
#pragma once

#include <memory>

#include "addon/support.hpp"
#include "packet/session.hpp"

namespace tmr::addon {

struct SessionObject {
  static constexpr const char* class_name = "Session";
  static constexpr ClassId class_id = ClassId::session;
  static constexpr napi_type_tag tag = {0x8f1c5d1e6b7a4c02, 0x9a3be04d71c85f13};

  explicit SessionObject(std::unique_ptr<Session> owned) noexcept : session(std::move(owned)) {}

  /// Null once it was closed by its owner or moved into a gateway.
  std::unique_ptr<Session> session;
};

/// Wraps a session for JavaScript.
napi_value make_session(napi_env env, std::unique_ptr<Session> session) noexcept;

/// Moves the session out of its JavaScript object, which is closed from then on: how a gateway takes it over. Null: an
/// ERR_TMR_ARGUMENT or ERR_TMR_CLOSED that names `what` is pending.
std::unique_ptr<Session> take_session(napi_env env, napi_value value, const char* what) noexcept;

/// The session inside a JavaScript object, or nullptr without throwing when it is none or closed.
Session* peek_session(napi_env env, napi_value value) noexcept;

}  // namespace tmr::addon
