// The Handshake that JavaScript holds. `read` and `write` run on a worker thread; meanwhile the object is busy.
#include <memory>
#include <utility>

#include "addon/parts.hpp"
#include "addon/session_object.hpp"
#include "addon/wrapped.hpp"
#include "packet/handshake.hpp"

namespace tmr::addon {

namespace {

/// Shared with a job under way, so that neither garbage collection nor the end of the environment takes it from under
/// the worker thread. The flags are for the JavaScript thread alone; while busy, the handshake is for the worker alone.
struct HandshakeState {
  HandshakeState(Role role, Pattern pattern) noexcept : handshake(role, pattern) {}
  Handshake handshake;
  bool busy = false;
  bool closed = false;
};

struct HandshakeObject {
  static constexpr const char* class_name = "Handshake";
  static constexpr ClassId class_id = ClassId::handshake;
  static constexpr napi_type_tag tag = {0x2d94a60be1f74d38, 0xb5117c98e0a6f24d};

  explicit HandshakeObject(std::shared_ptr<HandshakeState> shared) noexcept : state(std::move(shared)) {}
  std::shared_ptr<HandshakeState> state;
};

/// One read or write: its own copy of the input, later the output.
struct Job {
  enum class Kind : std::uint8_t { write, read };

  void run() noexcept {
    Handshake& handshake = state->handshake;
    status = kind == Kind::write ? handshake.write(input.bytes(), output) : handshake.read(input.bytes(), output);
  }

  Kind kind;
  std::shared_ptr<HandshakeState> state;
  BoundedBuffer input{Handshake::max_message};
  BoundedBuffer memory{Handshake::max_message};
  /// Into `memory` for write, into `input` for read.
  MutableBytes output;
  Status status = Status::ok;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
};

/// The receiver, if it is open and not busy.
HandshakeState* ready_receiver(napi_env env, napi_value self) noexcept {
  HandshakeObject* object = Wrapped<HandshakeObject>::receiver(env, self);
  if (object == nullptr) return nullptr;
  if (object->state->closed) {
    throw_misuse(env, Misuse::closed, "the handshake is closed");
    return nullptr;
  }
  if (object->state->busy) {
    throw_misuse(env, Misuse::state, "the handshake is busy with an earlier read or write");
    return nullptr;
  }
  return object->state.get();
}

bool fill_write(napi_env env, napi_value argument, Job& job) noexcept {
  const Handshake& handshake = job.state->handshake;
  Bytes payload;
  if (!is_undefined(env, argument) && !read_bytes(env, argument, "payload", payload)) return false;
  if (!handshake.may_write()) {
    throw_misuse(env, Misuse::state, "the handshake does not write now");
    return false;
  }
  const std::size_t size = handshake.written_size(payload.size());
  if (size > Handshake::max_message) {
    throw_misuse(env, Misuse::argument, "payload is too long: the message would have %zu bytes of at most %zu", size,
                 Handshake::max_message);
    return false;
  }
  if (job.input.append(payload) == Status::ok && job.memory.extend(size, job.output) == Status::ok) return true;
  throw_misuse(env, Misuse::state, "out of memory");
  return false;
}

bool fill_read(napi_env env, napi_value argument, Job& job) noexcept {
  Bytes message;
  if (!read_bytes(env, argument, "message", message)) return false;
  if (!job.state->handshake.may_read()) {
    throw_misuse(env, Misuse::state, "the handshake does not read now");
    return false;
  }
  // One that is too long for the protocol is the peer's doing: let it fail as not genuine, on the empty message.
  if (message.size() > Handshake::max_message) message = {};
  if (job.input.append(message) == Status::ok) return true;
  throw_misuse(env, Misuse::state, "out of memory");
  return false;
}

/// nullptr: an exception is pending.
std::unique_ptr<Job> make_job(napi_env env, napi_callback_info info, Job::Kind kind) noexcept {
  const Call<1> call(env, info);
  if (ready_receiver(env, call.self) == nullptr) return nullptr;
  auto job = std::make_unique<Job>();
  job->kind = kind;
  job->state = Wrapped<HandshakeObject>::find(env, call.self)->state;
  const bool filled = kind == Job::Kind::write ? fill_write(env, call[0], *job) : fill_read(env, call[0], *job);
  return filled ? std::move(job) : nullptr;
}

napi_value outcome(napi_env env, const Job& job) noexcept {
  return job.status == Status::ok ? make_buffer(env, Bytes(job.output)) : make_null(env);
}

napi_value run_sync(napi_env env, napi_callback_info info, Job::Kind kind) noexcept {
  const std::unique_ptr<Job> job = make_job(env, info, kind);
  if (job == nullptr) return nullptr;
  job->run();
  return outcome(env, *job);
}

void reject_closed(napi_env env, napi_deferred deferred) noexcept {
  napi_value error = nullptr;
  napi_create_error(env, make_text(env, "ERR_TMR_CLOSED"), make_text(env, "the handshake was closed"), &error);
  napi_reject_deferred(env, deferred, error);
}

/// Back on the JavaScript thread. The environment may be ending: then the calls below fail and nobody waits.
void finish_job(napi_env env, napi_status, void* data) {
  const std::unique_ptr<Job> job(static_cast<Job*>(data));
  HandshakeState& state = *job->state;
  state.busy = false;
  napi_delete_async_work(env, job->work);
  if (state.closed) {
    state.handshake.close();
    reject_closed(env, job->deferred);
    return;
  }
  napi_value value = outcome(env, *job);
  if (value != nullptr) napi_resolve_deferred(env, job->deferred, value);
}

napi_value run_async(napi_env env, napi_callback_info info, Job::Kind kind) noexcept {
  std::unique_ptr<Job> job = make_job(env, info, kind);
  napi_value promise = nullptr;
  if (job == nullptr || napi_create_promise(env, &job->deferred, &promise) != napi_ok) return nullptr;
  const auto execute = [](napi_env, void* data) { static_cast<Job*>(data)->run(); };
  if (napi_create_async_work(env, nullptr, make_text(env, "tmr handshake"), execute, finish_job, job.get(),
                             &job->work) != napi_ok) {
    return throw_misuse(env, Misuse::state, "the work could not be made");
  }
  if (napi_queue_async_work(env, job->work) != napi_ok) {
    napi_delete_async_work(env, job->work);
    return throw_misuse(env, Misuse::state, "the work could not be queued");
  }
  job->state->busy = true;
  job.release();
  return promise;
}

napi_value write(napi_env env, napi_callback_info info) noexcept { return run_async(env, info, Job::Kind::write); }
napi_value read(napi_env env, napi_callback_info info) noexcept { return run_async(env, info, Job::Kind::read); }
napi_value write_sync(napi_env env, napi_callback_info info) noexcept { return run_sync(env, info, Job::Kind::write); }
napi_value read_sync(napi_env env, napi_callback_info info) noexcept { return run_sync(env, info, Job::Kind::read); }

napi_value buffer_or_null(napi_env env, Bytes bytes) noexcept {
  return bytes.empty() ? make_null(env) : make_buffer(env, bytes);
}

napi_value remote_static_key(napi_env env, napi_callback_info info) noexcept {
  const HandshakeState* state = ready_receiver(env, Call<0>(env, info).self);
  return state == nullptr ? nullptr : buffer_or_null(env, state->handshake.remote_static());
}

napi_value handshake_hash(napi_env env, napi_callback_info info) noexcept {
  const HandshakeState* state = ready_receiver(env, Call<0>(env, info).self);
  return state == nullptr ? nullptr : buffer_or_null(env, state->handshake.hash());
}

napi_value complete(napi_env env, napi_callback_info info) noexcept {
  const HandshakeState* state = ready_receiver(env, Call<0>(env, info).self);
  return state == nullptr ? nullptr : make_boolean(env, state->handshake.complete());
}

napi_value split(napi_env env, napi_callback_info info) noexcept {
  constexpr std::uint64_t most_message_bytes = std::uint64_t{1} << 30;
  const Call<1> call(env, info);
  HandshakeState* state = ready_receiver(env, call.self);
  std::uint64_t max_message_bytes = 0;
  if (state == nullptr ||
      !read_integer(env, call[0], "maxMessageBytes", 1, most_message_bytes, max_message_bytes)) {
    return nullptr;
  }
  auto session = std::make_unique<Session>(static_cast<std::size_t>(max_message_bytes));
  const Status status = state->handshake.split(*session);
  if (status == Status::ok) return make_session(env, std::move(session));
  return throw_misuse(env, Misuse::state,
                      status == Status::out_of_turn ? "the handshake is not complete, or was split before"
                                                    : "the transport keys could not be set");
}

napi_value close(napi_env env, napi_callback_info info) noexcept {
  HandshakeObject* object = Wrapped<HandshakeObject>::receiver(env, Call<0>(env, info).self);
  if (object == nullptr) return nullptr;
  object->state->closed = true;
  if (!object->state->busy) object->state->handshake.close();
  return make_undefined(env);
}

/// A key that must be given, or must not be.
bool read_key(napi_env env, napi_value options, const char* name, bool needed, Bytes& out) noexcept {
  napi_value value = nullptr;
  if (!read_property(env, options, name, value)) return false;
  if (is_undefined(env, value)) {
    if (needed) throw_misuse(env, Misuse::argument, "%s must be given for this role and pattern", name);
    return !needed;
  }
  if (!needed) {
    throw_misuse(env, Misuse::argument, "%s has no meaning for this role and pattern", name);
    return false;
  }
  return read_bytes_of(env, value, name, curve_bytes, out);
}

/// One of two words.
bool read_choice(napi_env env, napi_value options, const char* name, const char* first, const char* second,
                 bool& is_first) noexcept {
  napi_value value = nullptr;
  if (!read_property(env, options, name, value)) return false;
  is_first = is_text(env, value, first);
  if (is_first || is_text(env, value, second)) return true;
  throw_misuse(env, Misuse::argument, "%s must be \"%s\" or \"%s\"", name, first, second);
  return false;
}

napi_value create_handshake(napi_env env, napi_callback_info info) noexcept {
  const Call<1> call(env, info);
  napi_value options = call[0];
  if (!is_object(env, options)) return throw_misuse(env, Misuse::argument, "options must be an object");
  bool initiates = false;
  bool is_nk = false;
  napi_value prologue_value = nullptr;
  napi_value ephemeral_value = nullptr;
  Bytes prologue;
  HandshakeKeys keys;
  if (!read_choice(env, options, "role", "initiator", "responder", initiates) ||
      !read_choice(env, options, "pattern", "NK", "IK", is_nk) ||
      !read_property(env, options, "prologue", prologue_value) ||
      !read_property(env, options, "ephemeralKey", ephemeral_value) ||
      !read_key(env, options, "staticKey", !initiates || !is_nk, keys.own_static) ||
      !read_key(env, options, "remoteStaticKey", initiates, keys.remote_static) ||
      !read_bytes(env, prologue_value, "prologue", prologue) ||
      (!is_undefined(env, ephemeral_value) &&
       !read_bytes_of(env, ephemeral_value, "ephemeralKey", curve_bytes, keys.ephemeral))) {
    return nullptr;
  }
  auto state = std::make_shared<HandshakeState>(initiates ? Role::initiator : Role::responder,
                                                is_nk ? Pattern::nk : Pattern::ik);
  if (state->handshake.start(prologue, keys) != Status::ok) {
    return throw_misuse(env, Misuse::state, "the crypto library could not use the keys");
  }
  return Wrapped<HandshakeObject>::create(env, std::make_unique<HandshakeObject>(std::move(state)));
}

}  // namespace

bool register_handshake(napi_env env, napi_value exports) noexcept {
  return Wrapped<HandshakeObject>::define(
             env, {method("write", write), method("read", read), method("writeSync", write_sync),
                   method("readSync", read_sync), method("remoteStaticKey", remote_static_key),
                   method("handshakeHash", handshake_hash), getter("complete", complete), method("split", split),
                   method("close", close)}) &&
         set_function(env, exports, "createHandshake", create_handshake);
}

}  // namespace tmr::addon
