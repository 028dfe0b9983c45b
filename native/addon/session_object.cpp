#include "addon/session_object.hpp"

#include <algorithm>

#include "addon/parts.hpp"
#include "addon/wrapped.hpp"

namespace tmr::addon {

namespace {

/// Puts each opened message as a Buffer into an array.
class ArraySink final : public MessageSink {
 public:
  explicit ArraySink(napi_env env) noexcept : env_(env) { failed_ = napi_create_array(env, &array_) != napi_ok; }

  Status message(MutableBytes message) noexcept override {
    napi_value buffer = make_buffer(env_, message);
    failed_ = failed_ || buffer == nullptr || napi_set_element(env_, array_, count_++, buffer) != napi_ok;
    return failed_ ? Status::no_room : Status::ok;
  }
  napi_value array() const noexcept { return failed_ ? nullptr : array_; }
  bool failed() const noexcept { return failed_; }

 private:
  napi_env env_;
  napi_value array_ = nullptr;
  std::uint32_t count_ = 0;
  bool failed_ = false;
};

Session* open_receiver(napi_env env, napi_value self) noexcept {
  SessionObject* object = Wrapped<SessionObject>::receiver(env, self);
  if (object == nullptr) return nullptr;
  if (object->session == nullptr) throw_misuse(env, Misuse::closed, "the session is closed");
  return object->session.get();
}

napi_value seal(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Session* session = open_receiver(env, call.self);
  Bytes message;
  if (session == nullptr || !read_bytes(env, call[0], "message", message)) return nullptr;
  if (session->is_closed()) return make_null(env);
  MutableBytes frames;
  napi_value buffer = make_buffer(env, Session::sealed_size(message.size()), frames);
  if (buffer == nullptr) return nullptr;
  return session->seal(Parts(&message, 1), frames) == Status::ok ? buffer : make_null(env);
}

napi_value open(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  Session* session = open_receiver(env, call.self);
  Bytes chunk;
  if (session == nullptr || !read_bytes(env, call[0], "chunk", chunk)) return nullptr;
  if (session->is_closed()) return make_null(env);
  ArraySink sink(env);
  Environment& environment = *Environment::of(env);
  while (!chunk.empty()) {
    const MutableBytes part{environment.scratch.get(), std::min(chunk.size(), Environment::scratch_bytes)};
    copy(part, chunk.first(part.size()));
    chunk = chunk.subspan(part.size());
    if (session->open(part, sink) != Status::ok) return sink.failed() ? nullptr : make_null(env);
  }
  return sink.array();
}

napi_value close(napi_env env, napi_callback_info info) noexcept {
  SessionObject* object = Wrapped<SessionObject>::receiver(env, Call<0>(env, info).self);
  if (object == nullptr) return nullptr;
  object->session.reset();
  return make_undefined(env);
}

}  // namespace

napi_value make_session(napi_env env, std::unique_ptr<Session> session) noexcept {
  return Wrapped<SessionObject>::create(env, std::make_unique<SessionObject>(std::move(session)));
}

std::unique_ptr<Session> take_session(napi_env env, napi_value value, const char* what) noexcept {
  SessionObject* object = Wrapped<SessionObject>::find(env, value);
  if (object == nullptr) {
    throw_misuse(env, Misuse::argument, "%s must be a Session", what);
    return nullptr;
  }
  if (object->session == nullptr) throw_misuse(env, Misuse::closed, "%s is closed", what);
  return std::move(object->session);
}

Session* peek_session(napi_env env, napi_value value) noexcept {
  SessionObject* object = Wrapped<SessionObject>::find(env, value);
  return object == nullptr ? nullptr : object->session.get();
}

bool register_session(napi_env env, napi_value) noexcept {
  return Wrapped<SessionObject>::define(env, {method("seal", seal), method("open", open), method("close", close)});
}

}  // namespace tmr::addon
