// From what waits to the next batch, and from there to each upstream.
#include <algorithm>

#include "gateway/orderer.hpp"

namespace tmr {

namespace {
constexpr bool at_least_two(std::uint8_t upstreams) noexcept {
  return upstreams == 0b011 || upstreams == 0b101 || upstreams == 0b110 || upstreams == 0b111;
}
}  // namespace

bool Orderer::propose(Bytes record, Bytes blob) {
  if (!active_ || open_proposals_ >= max_proposals) return false;
  assert(record.size() == REQUEST_BYTES);
  std::size_t waiting_bytes = blob.size();
  for (const Proposal& proposal : proposals_) waiting_bytes += proposal.blob.size();
  if (waiting_bytes > limits_.max_batch_blob_bytes) return false;
  Proposal& proposal = proposals_.emplace_back();
  copy(proposal.record, record);
  proposal.blob.assign(blob.begin(), blob.end());
  open_proposals_++;
  return true;
}

std::uint32_t Orderer::next_batch(std::uint64_t log_ms, std::uint64_t calendar_ms) {
  if (!active_ || position_ - carried_ >= limits_.max_batches_in_flight) return 0;
  if (proposals_.empty() && queue_.empty()) return 0;
  make_room();
  if (alone_ ? reached_ == 0 : !at_least_two(reached_)) return 0;

  // Proposals first, then client requests in the order in which they came; a batch is closed by the first that does
  // not fit, so that none is overtaken.
  std::uint32_t proposals = 0;
  std::size_t blob_bytes = 0;
  for (const Proposal& proposal : proposals_) {
    if (proposals == limits_.max_requests_per_batch) break;
    if (blob_bytes + proposal.blob.size() > limits_.max_batch_blob_bytes) break;
    blob_bytes += proposal.blob.size();
    proposals++;
  }
  const RequestQueue::Fit fit =
      queue_.fit(limits_.max_requests_per_batch - proposals, limits_.max_batch_blob_bytes - blob_bytes);
  const std::uint32_t count = proposals + fit.count;
  blob_bytes += fit.blob_bytes;

  BatchSlot& slot = ring_.claim(position_ + 1);
  fill_batch(slot, count, blob_bytes, proposals);
  seal_batch(slot, log_ms, calendar_ms, blob_bytes);
  kept_bytes_ += slot.bytes.size();
  position_ = slot.position;
  position_digest_ = slot.digest;
  counters_.batches++;
  return count;
}

/// A new batch takes the place of the oldest. An upstream that has not even taken that one is not streamed to any more:
/// it has to be brought up from another's log.
void Orderer::make_room() {
  const auto full = [&]() noexcept {
    return position_ + 1 - first_kept_ >= ring_.size() || kept_bytes_ > most_retained_bytes;
  };
  for (; first_kept_ <= carried_ && full(); first_kept_++) {
    BatchSlot& oldest = *ring_.find(first_kept_);
    kept_bytes_ -= oldest.bytes.size();
    oldest.forget_bytes();
  }
  for (int upstream = 1; upstream <= 3; upstream++) {
    if (streams(upstream) && links_[upstream - 1].cursor < first_kept_) unstream(upstream);
  }
}

void Orderer::fill_batch(BatchSlot& slot, std::uint32_t count, std::size_t blob_bytes, std::uint32_t proposals) {
  slot.bytes.resize(BATCH_HEADER_BYTES + count * REQUEST_BYTES + blob_bytes);
  slot.routes.resize(count);
  const MutableBytes body = MutableBytes(slot.bytes).subspan(BATCH_HEADER_BYTES);
  const MutableBytes blobs = body.subspan(count * REQUEST_BYTES);
  std::size_t blob_at = 0;
  const auto write = [&](std::uint32_t index, Bytes record, Bytes blob) noexcept {
    const MutableBytes at = body.subspan(index * REQUEST_BYTES, REQUEST_BYTES);
    copy(at, record);
    set_blob_range(at.data(), blob_at, blob.size());
    copy(blobs.subspan(blob_at), blob);
    blob_at += blob.size();
  };
  for (std::uint32_t index = 0; index < proposals; index++) {
    write(index, proposals_.front().record, proposals_.front().blob);
    slot.routes[index] = route_to_proposer;
    proposals_.pop_front();
  }
  for (std::uint32_t index = proposals; index < count; index++) {
    const PendingRequest& request = queue_.front();
    write(index, request.record, request.blob);
    slot.routes[index] = request.client;
    queue_.pop_front();
  }
  assert(blob_at == blob_bytes);
}

/// Header, MAC, chain digest. In this order: the digest covers the MAC.
void Orderer::seal_batch(BatchSlot& slot, std::uint64_t log_ms, std::uint64_t calendar_ms, std::size_t blob_bytes) {
  const BatchHeader header{
      .reached = reached_,
      .epoch = epoch_,
      .position = slot.position,
      .log_ms = log_ms,
      .calendar_ms = calendar_ms,
      .count = slot.count(),
      .blob_bytes = static_cast<std::uint32_t>(blob_bytes),
      .carried = carried_,
      .acknowledged = {links_[0].acknowledged, links_[1].acknowledged, links_[2].acknowledged},
  };
  write_batch_header(slot.bytes, header, position_digest_);
  const Digest mac = batch_mac(hasher_, mac_key_.view(), slot.bytes);
  copy(MutableBytes(slot.bytes).subspan(BatchField::mac), mac);
  slot.digest = hasher_.sha256({position_digest_, slot.bytes});
}

std::uint64_t Orderer::waiting_append(int upstream) const noexcept {
  const std::uint64_t cursor = links_[upstream - 1].cursor;
  return streams(upstream) && cursor <= position_ ? cursor : 0;
}

std::optional<AppendParts> Orderer::take_append(int upstream) {
  const std::uint64_t position = waiting_append(upstream);
  if (position == 0) return std::nullopt;
  links_[upstream - 1].cursor++;
  AppendParts parts{.header = {}, .batch = ring_.find(position)->bytes};
  write_message_header(parts.header, MessageType::append, parts.batch.size(), 0, 0);
  return parts;
}

}  // namespace tmr
