#include "client.hpp"

#include <algorithm>
#include <bit>

#include "wire/message.hpp"

namespace tmr::bench {

namespace {

/// A session keeps at most this many unanswered results: more open requests are answered `busy`.
constexpr std::size_t max_window = 256;
/// host, user, station: empty; program: bench
constexpr std::uint8_t names[] = {0, 0, 0, 5, 'b', 'e', 'n', 'c', 'h', 0};

}  // namespace

Client::Client(std::uint32_t lane_count, Bytes session_bytes)
    : lanes(lane_count), window_(std::min(max_window, std::bit_ceil(std::size_t{4} * lane_count))) {
  copy(session_, session_bytes);
  staged_.reserve(window_.size());
}

std::uint8_t* Client::issue(Kind kind, std::uint32_t lane, std::uint64_t now) noexcept {
  Pending& pending = slot(next_request_);
  pending.used = true;
  pending.postponed = false;
  pending.lane = lane;
  pending.sent_at = now;
  std::uint8_t* record = pending.record.data();
  pending.record.fill(0);
  record[RequestField::kind] = static_cast<std::uint8_t>(kind);
  store_u64(record + RequestField::request, next_request_);
  copy(MutableBytes(record + RequestField::session, SESSION_BYTES), session_);
  store_u64(record + RequestField::answeredBelow, answered_below_);
  store_u64(record + RequestField::mark, mark_);
  copy(MutableBytes(record + RequestField::markProof, mark_proof_bytes), proof_);
  if (kind == Kind::openSession) set_blob_range(record, 0, sizeof names);
  staged_.push_back(next_request_);
  next_request_++;
  if (unanswered_++ == 0) waiting_since = now;
  return record;
}

Pending* Client::find(const std::uint8_t* result) noexcept {
  const std::uint64_t request = load_u64(result + ResultField::request);
  if (request < answered_below_ || request >= next_request_) return nullptr;
  Pending& pending = slot(request);
  const bool fits = pending.used && pending.request() == request &&
                    pending.record[RequestField::kind] == result[ResultField::kind] &&
                    equal(Bytes(session_), Bytes(result + ResultField::session, SESSION_BYTES));
  return fits ? &pending : nullptr;
}

void Client::settle(Pending& pending, const std::uint8_t* result) noexcept {
  const std::uint64_t mark = load_u64(result + ResultField::mark);
  if (mark > mark_) {
    mark_ = mark;
    copy(proof_, Bytes(result + ResultField::markProof, mark_proof_bytes));
  }
  pending.used = false;
  unanswered_--;
  while (answered_below_ < next_request_ && !slot(answered_below_).used) answered_below_++;
}

std::size_t Client::repeat(bool only_postponed) noexcept {
  std::size_t repeated = 0;
  if (!only_postponed) staged_.clear();
  for (std::uint64_t request = answered_below_; request < next_request_; request++) {
    Pending& pending = slot(request);
    if (!pending.used || (only_postponed && !pending.postponed)) continue;
    pending.postponed = false;
    staged_.push_back(request);
    repeated++;
  }
  return repeated;
}

bool Client::flush() noexcept {
  if (staged_.empty() || link.state() != Link::State::up) return true;
  // Only openSession has a blob, and nothing else is asked before it is answered.
  const bool opens = slot(staged_.front()).kind() == Kind::openSession;
  std::array<Bytes, max_window + 2> parts;
  std::array<std::uint8_t, MESSAGE_HEADER_BYTES> header;
  const std::size_t count = staged_.size();
  const std::size_t blob_bytes = opens ? sizeof names : 0;
  write_message_header(header, MessageType::requests, count * REQUEST_BYTES + blob_bytes,
                       static_cast<std::uint32_t>(count), blob_bytes);
  parts[0] = header;
  for (std::size_t i = 0; i < count; i++) parts[i + 1] = slot(staged_[i]).record;
  parts[count + 1] = Bytes(names, blob_bytes);
  staged_.clear();
  return link.send(Parts(parts).first(opens ? count + 2 : count + 1));
}

}  // namespace tmr::bench
