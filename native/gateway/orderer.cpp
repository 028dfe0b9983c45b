// The epoch: activation, which upstreams are streamed to, and what happens to requests when it ends.
#include "gateway/orderer.hpp"

#include <algorithm>

namespace tmr {

Orderer::Orderer(const OrderingOptions& options, Hasher& hasher)
    : limits_(options.limits),
      session_timeouts_(options.session_timeouts),
      alone_(options.quorum == 1),
      hasher_(hasher),
      clients_(options.limits.max_clients, options.limits.max_client_output_bytes),
      // Requests that come back from batches in flight must find room, whatever has arrived meanwhile.
      queue_(options.limits.max_pending_requests +
                 options.limits.max_batches_in_flight * options.limits.max_requests_per_batch,
             options.limits.max_clients),
      // A ballot is kept until as many batches were carried after it as may be under way.
      ring_(options.limits.max_batches_in_flight + options.limits.retained_batches,
            2 * options.limits.max_batches_in_flight) {
  assert(limits_.max_requests_per_batch >= 1 && limits_.max_requests_per_batch <= MAX_BATCH_RECORDS);
  assert(limits_.max_batch_blob_bytes <= MAX_BATCH_BLOB_BYTES && limits_.max_batches_in_flight >= 1);
  hkdf_sha256(hasher, options.twin_key, {}, text_bytes("tmr batch mac"), mac_key_.fill());
  hkdf_sha256(hasher, options.twin_key, {}, text_bytes("tmr mark"), mark_key_.fill());
}

void Orderer::activate(std::uint64_t epoch, std::uint64_t position, Bytes digest, Bytes members) {
  if (active_) deactivate();
  ring_.clear();
  active_ = true;
  epoch_ = epoch;
  activation_ = position_ = carried_ = supported_ = position;
  first_kept_ = position + 1;
  kept_bytes_ = 0;
  copy(position_digest_, digest);
  copy(carried_digest_, digest);
  copy(members_, members);
  links_ = {};
  // Requests that waited for this epoch may have brought marks that this log does not reach.
  highest_missing_ = 0;
  note_mark(highest_mark_);
}

void Orderer::deactivate() {
  if (!active_) return;
  // Newest first, each to the front: the requests wait again in the order in which they came.
  for (std::uint64_t position = position_; position > carried_; position--) {
    BatchSlot* slot = ring_.find(position);
    for (std::size_t index = slot->count(); index-- > 0;) {
      if (slot->routes[index] != route_to_proposer) return_to_pending(*slot, index);
    }
    slot->routes.assign(slot->routes.size(), route_nowhere);
    for (StoredBallot& ballot : slot->ballots) ballot.clear();
  }
  proposals_.clear();
  open_proposals_ = 0;
  active_ = false;
  reached_ = 0;
}

/// Puts a record of a batch back to the front of what waits, unless its client has left.
void Orderer::return_to_pending(const BatchSlot& slot, std::size_t index) {
  const std::uint32_t route = slot.routes[index];
  const std::uint8_t* record = slot.record(index);
  const Bytes blob = blob_of(record, slot.blobs());
  if (route == route_to_proposer) {
    Proposal proposal;
    copy(proposal.record, {record, REQUEST_BYTES});
    proposal.blob.assign(blob.begin(), blob.end());
    proposals_.push_front(std::move(proposal));
    return;
  }
  const std::uint32_t client_slot = route == route_nowhere ? ClientTable::none : clients_.slot_of(route);
  if (client_slot == ClientTable::none) return;
  const bool queued = queue_.push_front(route, client_slot, record, blob);
  assert(queued);
  static_cast<void>(queued);
}

bool Orderer::stream(int upstream, std::uint64_t after) {
  if (!active_ || after < activation_ || after > position_) return false;
  // What is not carried yet is sent again even if the upstream has it: its votes may have been lost with its link.
  const std::uint64_t start = std::min(after, carried_);
  if (start + 1 < first_kept_) return false;
  Link& link = links_[upstream - 1];
  link.cursor = start + 1;
  link.awaited_after = start;
  reached_ |= bit_of(upstream);
  return true;
}

void Orderer::unstream(int upstream) {
  if (!streams(upstream)) return;
  reached_ &= static_cast<std::uint8_t>(~bit_of(upstream));
  // Nobody waits for its ballots any more: what hung on them may be decided now.
  for (std::uint64_t position = carried_ + 1; position <= position_; position++) report_split(*ring_.find(position));
}

void Orderer::resend(int upstream, std::uint64_t after) {
  if (!streams(upstream)) return;
  Link& link = links_[upstream - 1];
  const std::uint64_t start = std::max(after + 1, first_kept_);
  link.cursor = std::min(link.cursor, start);
  link.awaited_after = std::min(link.awaited_after, link.cursor - 1);
}

Bytes Orderer::batch_at(std::uint64_t position) const noexcept {
  const BatchSlot* slot = ring_.find(position);
  return slot == nullptr ? Bytes{} : Bytes(slot->bytes);
}

std::optional<Event> Orderer::take_event() {
  const std::optional<Event> event = events_.take();
  if (event && event->type == Event::Type::proposed && open_proposals_ > 0) open_proposals_--;
  return event;
}

}  // namespace tmr
