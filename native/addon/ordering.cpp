#include "addon/ordering.hpp"

#include "wire/kinds.hpp"
#include "wire/records.hpp"

namespace tmr::addon {

namespace {

bool read_limit(napi_env env, napi_value object, const char* name, std::uint64_t least, std::uint64_t most,
                std::uint64_t& out) noexcept {
  napi_value value = nullptr;
  return read_property(env, object, name, value) && read_integer(env, value, name, least, most, out);
}

bool read_limit(napi_env env, napi_value object, const char* name, std::uint64_t least, std::uint64_t most,
                std::uint32_t& out) noexcept {
  std::uint64_t wide = 0;
  if (!read_limit(env, object, name, least, most, wide)) return false;
  out = static_cast<std::uint32_t>(wide);
  return true;
}

bool read_object(napi_env env, napi_value parent, const char* name, napi_value& out) noexcept {
  if (!read_property(env, parent, name, out)) return false;
  if (is_object(env, out)) return true;
  throw_misuse(env, Misuse::argument, "%s must be an object", name);
  return false;
}

bool read_limits(napi_env env, napi_value limits, OrderingLimits& out) noexcept {
  std::uint64_t output_bytes = 0;
  const bool read =
      read_limit(env, limits, "maxClients", 1, most_clients, out.max_clients) &&
      read_limit(env, limits, "maxPendingRequests", 1, most_pending_requests, out.max_pending_requests) &&
      read_limit(env, limits, "maxRequestsPerBatch", 1, MAX_BATCH_RECORDS, out.max_requests_per_batch) &&
      read_limit(env, limits, "maxBatchBlobBytes", 1, MAX_BATCH_BLOB_BYTES, out.max_batch_blob_bytes) &&
      read_limit(env, limits, "maxBatchesInFlight", 1, most_batches_in_flight, out.max_batches_in_flight) &&
      read_limit(env, limits, "retainedBatches", 0, most_retained_batches, out.retained_batches) &&
      read_limit(env, limits, "maxClientOutputBytes", least_client_output_bytes, most_client_output_bytes,
                 output_bytes);
  out.max_client_output_bytes = static_cast<std::size_t>(output_bytes);
  return read;
}

bool read_timeouts(napi_env env, napi_value timeouts, SessionTimeouts& out) noexcept {
  // Results carry a time-out as u32.
  constexpr std::uint64_t most = UINT32_MAX;
  return read_limit(env, timeouts, "min", 1, most, out.least) &&
         read_limit(env, timeouts, "default", out.least, most, out.by_default) &&
         read_limit(env, timeouts, "max", out.by_default, most, out.most);
}

/// Left out: two of three.
bool read_quorum(napi_env env, napi_value value, std::uint8_t& out) noexcept {
  if (is_undefined(env, value)) return true;
  std::uint64_t quorum = 0;
  if (!read_integer(env, value, "quorum", 1, 2, quorum)) return false;
  out = static_cast<std::uint8_t>(quorum);
  return true;
}

bool read_status(napi_env env, napi_value value, StatusCode& out) noexcept {
  std::uint64_t number = 0;
  if (!read_integer(env, value, "status", 0, UINT16_MAX, number)) return false;
  out = static_cast<StatusCode>(number);
  if (is_retryable(out)) return true;
  throw_misuse(env, Misuse::argument, "status must be one after which a client asks again, got %u",
               static_cast<unsigned>(number));
  return false;
}

bool read_refusal(const Call<4>& call, StatusCode& status, std::optional<Bytes>& blob) noexcept {
  if (!read_status(call.env, call[0], status)) return false;
  if (is_undefined(call.env, call[1])) return true;
  Bytes bytes;
  if (!read_bytes(call.env, call[1], "blob", bytes)) return false;
  if (bytes.size() > MAX_RESULT_BLOB_BYTES) {
    throw_misuse(call.env, Misuse::argument, "blob must have at most %zu bytes", MAX_RESULT_BLOB_BYTES);
    return false;
  }
  blob = bytes;
  return true;
}

/// A record that only the server makes: its kind, and no session. A number tells its maker which result belongs to it.
bool is_system_request(const std::uint8_t* record) noexcept {
  const std::uint8_t kind = record[RequestField::kind];
  return classify_kind(kind) == KindClass::system && kind != static_cast<std::uint8_t>(Kind::notice) &&
         is_zero({record + RequestField::session, SESSION_BYTES}) && is_well_formed_request(record, 0);
}

const char* event_name(Event::Type type) noexcept {
  switch (type) {
    case Event::Type::diverged: return "diverged";
    case Event::Type::split: return "split";
    case Event::Type::missing: return "missing";
    case Event::Type::proposed: return "proposed";
  }
  return "unknown";
}

}  // namespace

bool read_ordering_options(napi_env env, napi_value value, OrderingOptions& out) noexcept {
  if (!is_object(env, value)) {
    throw_misuse(env, Misuse::argument, "options must be an object");
    return false;
  }
  napi_value limits = nullptr;
  napi_value timeouts = nullptr;
  napi_value quorum = nullptr;
  napi_value twin_key = nullptr;
  // The key last: getters of the others could run JavaScript that moves it.
  return read_object(env, value, "limits", limits) && read_limits(env, limits, out.limits) &&
         read_object(env, value, "sessionTimeoutMs", timeouts) && read_timeouts(env, timeouts, out.session_timeouts) &&
         read_property(env, value, "quorum", quorum) && read_quorum(env, quorum, out.quorum) &&
         read_property(env, value, "twinKey", twin_key) &&
         read_bytes_of(env, twin_key, "twinKey", digest_bytes, out.twin_key);
}

bool read_upstream(napi_env env, napi_value value, int& out) noexcept {
  std::uint64_t number = 0;
  if (!read_integer(env, value, "upstream", 1, 3, number)) return false;
  out = static_cast<int>(number);
  return true;
}

bool read_client(napi_env env, napi_value value, std::uint32_t& out) noexcept {
  std::uint64_t number = 0;
  if (!read_integer(env, value, "client", 0, UINT32_MAX, number)) return false;
  out = static_cast<std::uint32_t>(number);
  return true;
}

napi_value activate(Orderer& orderer, const Call<4>& call) noexcept {
  std::uint64_t epoch = 0;
  std::uint64_t position = 0;
  Bytes digest;
  Bytes members;
  if (!read_integer(call.env, call[0], "epoch", 1, max_wire_integer, epoch) ||
      !read_integer(call.env, call[1], "position", 0, max_wire_integer, position) ||
      !read_bytes_of(call.env, call[2], "digest", digest_bytes, digest) ||
      !read_bytes_of(call.env, call[3], "members", MEMBERS_BYTES, members)) {
    return nullptr;
  }
  orderer.activate(epoch, position, digest, members);
  return make_undefined(call.env);
}

napi_value deactivate(Orderer& orderer, const Call<4>& call) noexcept {
  orderer.deactivate();
  return make_undefined(call.env);
}

namespace {
bool read_place(const Call<4>& call, int& upstream, std::uint64_t& after) noexcept {
  return read_upstream(call.env, call[0], upstream) &&
         read_integer(call.env, call[1], "after", 0, max_wire_integer, after);
}
}  // namespace

napi_value stream(Orderer& orderer, const Call<4>& call) noexcept {
  int upstream = 0;
  std::uint64_t after = 0;
  if (!read_place(call, upstream, after)) return nullptr;
  return make_boolean(call.env, orderer.stream(upstream, after));
}

napi_value unstream(Orderer& orderer, const Call<4>& call) noexcept {
  int upstream = 0;
  if (!read_upstream(call.env, call[0], upstream)) return nullptr;
  orderer.unstream(upstream);
  return make_undefined(call.env);
}

napi_value resend(Orderer& orderer, const Call<4>& call) noexcept {
  int upstream = 0;
  std::uint64_t after = 0;
  if (!read_place(call, upstream, after)) return nullptr;
  orderer.resend(upstream, after);
  return make_undefined(call.env);
}

napi_value propose(Orderer& orderer, const Call<4>& call) noexcept {
  Bytes record;
  Bytes blob;
  if (!read_bytes_of(call.env, call[0], "record", REQUEST_BYTES, record) ||
      !read_bytes(call.env, call[1], "blob", blob)) {
    return nullptr;
  }
  std::array<std::uint8_t, REQUEST_BYTES> own;
  copy(own, record);
  set_blob_range(own.data(), 0, 0);
  if (!is_system_request(own.data())) {
    return throw_misuse(call.env, Misuse::argument, "record must be a well-formed record of a system kind");
  }
  return make_boolean(call.env, orderer.propose(own, blob));
}

napi_value next_batch(Orderer& orderer, const Call<4>& call) noexcept {
  std::uint64_t log_ms = 0;
  std::uint64_t calendar_ms = 0;
  if (!read_integer(call.env, call[0], "logMs", 0, max_wire_integer, log_ms) ||
      !read_integer(call.env, call[1], "calendarMs", 0, max_wire_integer, calendar_ms)) {
    return nullptr;
  }
  return make_number(call.env, orderer.next_batch(log_ms, calendar_ms));
}

napi_value refuse_pending(Orderer& orderer, const Call<4>& call) noexcept {
  StatusCode status{};
  std::optional<Bytes> blob;
  if (!read_refusal(call, status, blob)) return nullptr;
  return make_number(call.env, orderer.refuse_pending(status, blob));
}

napi_value refuse_all(Orderer& orderer, const Call<4>& call) noexcept {
  StatusCode status{};
  std::optional<Bytes> blob;
  if (!read_refusal(call, status, blob)) return nullptr;
  return make_number(call.env, orderer.refuse_all(status, blob));
}

napi_value reached(Orderer& orderer, const Call<4>& call) noexcept { return make_number(call.env, orderer.reached()); }

napi_value position(Orderer& orderer, const Call<4>& call) noexcept {
  return make_number(call.env, static_cast<double>(orderer.position()));
}

napi_value carried(Orderer& orderer, const Call<4>& call) noexcept {
  return make_number(call.env, static_cast<double>(orderer.carried()));
}

napi_value pending(Orderer& orderer, const Call<4>& call) noexcept { return make_number(call.env, orderer.pending()); }

napi_value carried_digest(Orderer& orderer, const Call<4>& call) noexcept {
  return make_buffer(call.env, orderer.carried_digest());
}

napi_value vote(Orderer& orderer, const Call<4>& call) noexcept {
  int upstream = 0;
  Bytes message;
  if (!read_upstream(call.env, call[0], upstream) || !read_bytes(call.env, call[1], "message", message)) return nullptr;
  return make_intake(call.env, orderer.vote(upstream, message));
}

napi_value acknowledged(Orderer& orderer, const Call<4>& call) noexcept {
  int upstream = 0;
  if (!read_upstream(call.env, call[0], upstream)) return nullptr;
  return make_number(call.env, static_cast<double>(orderer.acknowledged(upstream)));
}

napi_value clock_ms(Orderer& orderer, const Call<4>& call) noexcept {
  int upstream = 0;
  if (!read_upstream(call.env, call[0], upstream)) return nullptr;
  return make_number(call.env, static_cast<double>(orderer.clock_ms(upstream)));
}

napi_value batch_at(Orderer& orderer, const Call<4>& call) noexcept {
  std::uint64_t position = 0;
  if (!read_integer(call.env, call[0], "position", 0, max_wire_integer, position)) return nullptr;
  return make_buffer_or_null(call.env, orderer.batch_at(position));
}

napi_value take_event(Orderer& orderer, const Call<4>& call) noexcept {
  const std::optional<Event> event = orderer.take_event();
  if (!event) return make_null(call.env);
  const napi_env env = call.env;
  napi_value object = nullptr;
  if (napi_create_object(env, &object) != napi_ok || !set_value(env, object, "type", make_text(env, event_name(event->type)))) {
    return nullptr;
  }
  if (event->type == Event::Type::diverged && !set_value(env, object, "upstream", make_number(env, event->upstream))) {
    return nullptr;
  }
  if (!set_value(env, object, "position", make_number(env, static_cast<double>(event->position)))) return nullptr;
  if (event->type == Event::Type::proposed && !(set_value(env, object, "record", make_buffer(env, event->record)) &&
                                                set_value(env, object, "blob", make_buffer(env, event->blob)))) {
    return nullptr;
  }
  return object;
}

napi_value take_local_request(Orderer& orderer, const Call<4>& call) noexcept {
  const std::optional<LocalRequest> request = orderer.take_local_request();
  if (!request) return make_null(call.env);
  napi_value object = nullptr;
  const bool made = napi_create_object(call.env, &object) == napi_ok &&
                    set_value(call.env, object, "client", make_number(call.env, request->client)) &&
                    set_value(call.env, object, "record", make_buffer(call.env, request->record));
  return made ? object : nullptr;
}

napi_value answer(Orderer& orderer, const Call<4>& call) noexcept {
  std::uint32_t client = 0;
  Bytes record;
  Bytes blob;
  if (!read_client(call.env, call[0], client) ||
      !read_bytes_of(call.env, call[1], "record", RESULT_BYTES, record) ||
      !read_bytes(call.env, call[2], "blob", blob)) {
    return nullptr;
  }
  if (blob.size() > MAX_RESULT_BLOB_BYTES) {
    return throw_misuse(call.env, Misuse::argument, "blob must have at most %zu bytes", MAX_RESULT_BLOB_BYTES);
  }
  orderer.answer(client, record.data(), blob);
  return make_undefined(call.env);
}

napi_value set_client_address(Orderer& orderer, const Call<4>& call) noexcept {
  std::uint32_t client = 0;
  Bytes bytes;
  if (!read_client(call.env, call[0], client)) return nullptr;
  if (!read_bytes_of(call.env, call[1], "address", ADDRESS_BYTES, bytes)) return nullptr;
  ClientTable::Address address;
  copy(address, bytes);
  orderer.clients().set_address(client, address);
  return make_undefined(call.env);
}

napi_value client_closed(Orderer& orderer, const Call<4>& call) noexcept {
  std::uint32_t client = 0;
  if (!read_client(call.env, call[0], client)) return nullptr;
  return make_boolean(call.env, orderer.clients().is_closed(client));
}

napi_value dirty_clients(Orderer& orderer, const Call<4>& call) noexcept {
  std::span<std::uint32_t> out;
  if (!read_numbers(call.env, call[0], "out", out)) return nullptr;
  return make_number(call.env, static_cast<double>(orderer.clients().dirty(out)));
}

napi_value counters(Orderer& orderer, const Call<4>& call) noexcept {
  const OrderingCounters& counted = orderer.counters();
  const struct {
    const char* name;
    std::uint64_t value;
  } values[] = {
      {"requests", counted.requests},
      {"answers", counted.answers},
      {"batches", counted.batches},
      {"busy", counted.busy},
      {"malformedPackets", counted.malformed_packets},
      {"unknownKinds", counted.unknown_kinds},
      {"staleVotes", counted.stale_votes},
      {"malformedVotes", counted.malformed_votes},
  };
  napi_value object = nullptr;
  if (napi_create_object(call.env, &object) != napi_ok) return nullptr;
  for (const auto& [name, value] : values) {
    if (!set_value(call.env, object, name, make_number(call.env, static_cast<double>(value)))) return nullptr;
  }
  return object;
}

}  // namespace tmr::addon
