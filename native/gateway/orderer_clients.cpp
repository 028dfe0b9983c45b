// Client packets, in the order in which they are processed: checked as a whole, then record by record either queued
// for a batch, kept for the server itself, or refused. And the answers that do not come from votes.
#include <algorithm>
#include <string_view>

#include "gateway/orderer.hpp"

namespace tmr {

namespace {

Bytes sentence_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// What a refused client reads.
constexpr std::string_view unknown_kind = "This server does not know this kind of request.";
constexpr std::string_view system_kind = "Only the TMR server itself makes this kind of request.";
constexpr std::string_view no_session = "The request has no session.";
constexpr std::string_view no_number = "The request has no number; numbers begin with 1.";
constexpr std::string_view blob_too_long = "What the request carries is longer than the server takes.";
constexpr std::string_view wrong_proof = "The mark of the request was not given by this TMR system.";
constexpr std::string_view too_many = "The server has too many requests waiting; ask again.";

constexpr std::string_view sentence_of(StatusCode status) noexcept {
  switch (status) {
    case StatusCode::no_quorum: return "Fewer than two upstream license servers agree at the moment; ask again.";
    case StatusCode::busy: return too_many;
    default: return {};
  }
}

constexpr bool is_kind(const std::uint8_t* record, Kind kind) noexcept {
  return record[RequestField::kind] == static_cast<std::uint8_t>(kind);
}

}  // namespace

Intake Orderer::client_message(std::uint32_t client, Bytes message) {
  if (clients_.is_closed(client)) return Intake::closed;

  // The whole packet first: nothing of a malformed one takes effect.
  const auto malformed = [&] {
    counters_.malformed_packets++;
    clients_.close(client);
    return Intake::malformed;
  };
  if (message.size() > MAX_PACKET_BYTES) return malformed();
  const std::optional<MessageView> frame = parse_message(message);
  if (!frame || frame->type != MessageType::requests || frame->count == 0) return malformed();
  const std::optional<RecordsView> parts = split_records(*frame, 0);
  if (!parts) return malformed();
  for (std::size_t i = 0; i < parts->count; i++) {
    if (!is_well_formed_request(parts->records.data() + i * REQUEST_BYTES, parts->blobs.size())) return malformed();
  }

  for (std::size_t i = 0; i < parts->count && !clients_.is_closed(client); i++) {
    std::uint8_t record[REQUEST_BYTES];
    std::memcpy(record, parts->records.data() + i * REQUEST_BYTES, REQUEST_BYTES);
    accept_request(client, record, parts->blobs);
  }
  return clients_.is_closed(client) ? Intake::closed : Intake::ok;
}

void Orderer::accept_request(std::uint32_t client, std::uint8_t* record, Bytes blobs) {
  counters_.requests++;
  const auto bad_request = [&](std::string_view why) {
    refuse(client, record, StatusCode::bad_request, sentence_bytes(why));
  };
  switch (classify_kind(record[RequestField::kind])) {
    case KindClass::unknown:
      counters_.unknown_kinds++;
      return bad_request(unknown_kind);
    case KindClass::system:
      counters_.unknown_kinds++;
      return bad_request(system_kind);
    case KindClass::local:
      if (local_requests_.size() >= max_local_requests) {
        counters_.busy++;
        return refuse(client, record, StatusCode::busy, sentence_bytes(too_many));
      }
      local_requests_.push_back({.client = client, .record = {}});
      return copy(local_requests_.back().record, {record, REQUEST_BYTES});
    case KindClass::ordered: break;
  }
  const Bytes blob = blob_of(record, blobs);
  if (is_zero({record + RequestField::session, SESSION_BYTES})) return bad_request(no_session);
  if (load_u64(record + RequestField::request) == 0) return bad_request(no_number);
  if (blob.size() > MAX_REQUEST_BLOB_BYTES || blob.size() > limits_.max_batch_blob_bytes) {
    return bad_request(blob_too_long);
  }
  if (!has_genuine_mark(record)) return bad_request(wrong_proof);
  note_mark(load_u64(record + RequestField::mark));
  order_request(client, record, blob);
}

void Orderer::order_request(std::uint32_t client, std::uint8_t* record, Bytes blob) {
  if (queue_.size() >= limits_.max_pending_requests) {
    counters_.busy++;
    return refuse(client, record, StatusCode::busy, sentence_bytes(too_many));
  }
  if (is_kind(record, Kind::openSession)) {
    // The limit is this server's, the value must be in the log: three upstreams may have other limits configured.
    const std::uint64_t asked = load_u64(record + RequestField::durationMs);
    const std::uint64_t wanted = asked == 0 ? session_timeouts_.by_default : asked;
    store_u64(record + RequestField::durationMs, std::clamp(wanted, session_timeouts_.least, session_timeouts_.most));
    // Rules of the access list name addresses, so what a client claims of its own does not count.
    copy({record + RequestField::address, ADDRESS_BYTES}, clients_.address_of(client));
  }
  const std::uint32_t slot = clients_.slot_of(client);
  clients_.note_session(slot);
  const bool queued = queue_.push_back(client, slot, record, blob);
  assert(queued);
  static_cast<void>(queued);
}

bool Orderer::has_genuine_mark(const std::uint8_t* record) {
  const std::uint64_t mark = load_u64(record + RequestField::mark);
  const Bytes proof{record + RequestField::markProof, mark_proof_bytes};
  if (mark == 0) return is_zero(proof);
  // Nearly every mark is a recent one, whose proof is at hand.
  const BatchSlot* slot = ring_.find(mark);
  if (slot != nullptr && slot->carried) return equal_secret(slot->mark_proof, proof);
  return equal_secret(mark_proof(mark), proof);
}

void Orderer::note_mark(std::uint64_t mark) {
  highest_mark_ = std::max(highest_mark_, mark);
  // Everything up to the activation position was carried when the epoch began, so `carried_` covers both bounds.
  if (!active_ || mark <= carried_ || mark <= highest_missing_) return;
  highest_missing_ = mark;
  events_.missing(mark);
}

Orderer::MarkProof Orderer::mark_proof(std::uint64_t position) {
  std::uint8_t encoded[8];
  store_u64(encoded, position);
  const Digest mac = hasher_.hmac_sha256(mark_key_.view(), {Bytes(encoded)});
  MarkProof proof;
  std::copy_n(mac.begin(), proof.size(), proof.begin());
  return proof;
}

void Orderer::refuse(std::uint32_t client, const std::uint8_t* request, StatusCode status, Bytes blob) {
  std::uint8_t result[RESULT_BYTES] = {};
  result[ResultField::kind] = request[RequestField::kind];
  store_u16(result + ResultField::status, static_cast<std::uint16_t>(status));
  std::memcpy(result + ResultField::request, request + RequestField::request, 8);
  std::memcpy(result + ResultField::session, request + RequestField::session, SESSION_BYTES);
  answer(client, result, blob);
}

void Orderer::answer(std::uint32_t client, const std::uint8_t* record, Bytes blob) {
  if (clients_.queue(client, record, blob)) counters_.answers++;
}

std::uint32_t Orderer::refuse_pending(StatusCode status, std::optional<Bytes> blob) {
  const Bytes text = blob ? *blob : sentence_bytes(sentence_of(status));
  std::uint32_t count = 0;
  for (; !queue_.empty(); queue_.pop_front(), count++) {
    refuse(queue_.front().client, queue_.front().record, status, text);
  }
  return count;
}

std::uint32_t Orderer::refuse_all(StatusCode status, std::optional<Bytes> blob) {
  const Bytes text = blob ? *blob : sentence_bytes(sentence_of(status));
  std::uint32_t count = 0;
  for (std::uint64_t position = carried_ + 1; position <= position_; position++) {
    BatchSlot* slot = ring_.find(position);
    for (std::size_t index = 0; index < slot->count(); index++) {
      std::uint32_t& route = slot->routes[index];
      if (route == route_to_proposer || route == route_nowhere) continue;
      if (!clients_.is_closed(route)) count++;
      refuse(route, slot->record(index), status, text);
      route = route_nowhere;
    }
  }
  return count + refuse_pending(status, blob);
}

std::optional<LocalRequest> Orderer::take_local_request() {
  while (!local_requests_.empty()) {
    const LocalRequest request = local_requests_.front();
    local_requests_.pop_front();
    if (!clients_.is_closed(request.client)) return request;
  }
  return std::nullopt;
}

void Orderer::remove_client(std::uint32_t client) {
  const std::uint32_t slot = clients_.slot_of(client);
  if (slot == ClientTable::none) return;
  queue_.remove_client(slot);
  clients_.remove(client);
}

}  // namespace tmr
