#include "gateway/batch_ring.hpp"

namespace tmr {

namespace {
/// A ballot's memory above this is given back when the ballot is dropped.
constexpr std::size_t kept_ballot_bytes = 256 * 1024;
}  // namespace

void StoredBallot::store(Bytes bytes, const VoteView& view, bool is_foreign) {
  message.assign(bytes.begin(), bytes.end());
  const auto here = [&](Bytes part) noexcept {
    return Bytes(message).subspan(static_cast<std::size_t>(part.data() - bytes.data()), part.size());
  };
  vote = view;
  vote.incarnation = here(view.incarnation);
  vote.digest = here(view.digest);
  vote.state_digest = here(view.state_digest);
  vote.records = here(view.records);
  vote.blobs = here(view.blobs);
  present = true;
  foreign = is_foreign;
}

void StoredBallot::clear() noexcept {
  present = false;
  foreign = false;
  vote = VoteView{};
  message.clear();
  if (message.capacity() > kept_ballot_bytes) message.shrink_to_fit();
}

void BatchSlot::clear() noexcept {
  position = 0;
  bytes.clear();
  routes.clear();
  for (StoredBallot& ballot : ballots) ballot.clear();
  split_reported = false;
  carried = false;
  memory = Memory::nothing;
  kept_ballot = 0;
  compared = 0;
}

BatchSlot& BatchRing::claim(std::uint64_t position) noexcept {
  BatchSlot& slot = slots_[position % slots_.size()];
  slot.clear();
  slot.position = position;
  return slot;
}

void BatchRing::clear() noexcept {
  for (BatchSlot& slot : slots_) slot.clear();
}

Digest digest_of_results(Hasher& hasher, const VoteView& vote) {
  static constexpr std::uint8_t no_offset[4] = {};
  constexpr std::size_t after = ResultField::blobOffset + sizeof(no_offset);
  std::vector<Bytes> parts;
  parts.reserve(vote.count * 4);
  for (std::size_t i = 0; i < vote.count; i++) {
    const Bytes record{vote.record(i), RESULT_BYTES};
    parts.push_back(record.first(ResultField::blobOffset));
    parts.push_back(no_offset);
    parts.push_back(record.subspan(after));
    parts.push_back(blob_of(record.data(), vote.blobs));
  }
  Digest digest;
  hasher.sha256(Parts(parts), digest);
  return digest;
}

}  // namespace tmr
