#include "gateway/batch_ring.hpp"

namespace tmr {

namespace {
/// Memory above this is given back when a ballot is dropped or a batch makes room for another.
constexpr std::size_t kept_ballot_bytes = 256 * 1024;
constexpr std::size_t kept_batch_bytes = 128 * 1024;
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
  clear_and_keep(message, kept_ballot_bytes);
}

void BatchSlot::clear() noexcept {
  position = 0;
  forget_bytes();
  routes.clear();
  let_ballots_go();
  split_reported = false;
  carried = false;
  memory = Memory::nothing;
  kept_ballot = 0;
  compared = 0;
}

void BatchSlot::forget_bytes() noexcept { clear_and_keep(bytes, kept_batch_bytes); }

void BatchSlot::let_ballots_go() noexcept {
  for (StoredBallot& ballot : ballots) ballot.clear();
  ballots = {};
}

BatchSlot& BatchRing::claim(std::uint64_t position) noexcept {
  BatchSlot& slot = slots_[position % slots_.size()];
  slot.clear();
  slot.position = position;
  slot.ballots = ballots_[position % ballots_.size()];
  assert(!slot.ballots[0].present && !slot.ballots[1].present && !slot.ballots[2].present);
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
