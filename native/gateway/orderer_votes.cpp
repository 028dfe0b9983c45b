// Votes, in the order in which they are processed: checked, kept as a ballot, counted; then every batch that two
// upstreams carry is answered, in the order of positions.
#include <bit>

#include "gateway/orderer.hpp"

namespace tmr {

Intake Orderer::vote(int upstream, Bytes message) {
  const std::optional<VoteView> vote = parse_vote(message);
  if (!vote || vote->upstream != upstream) {
    counters_.malformed_votes++;
    return Intake::malformed;
  }
  BatchSlot* slot = is_current(upstream, *vote) ? ring_.find(vote->position) : nullptr;
  if (slot == nullptr) {
    counters_.stale_votes++;
    return Intake::ok;
  }
  if (vote->count != 0 && vote->count != slot->count()) {
    counters_.malformed_votes++;
    return Intake::malformed;
  }

  if (alone_) return carry_alone(*slot, *vote);

  Link& link = links_[upstream - 1];
  const bool foreign = !equal(vote->digest, slot->digest);
  link.clock_ms = vote->clock_ms;
  if (!foreign && vote->position > link.acknowledged) link.acknowledged = vote->position;
  if (slot->carried) {
    compare_late(upstream, *vote, *slot);
    return Intake::ok;
  }

  // The first ballot stands; the same with records takes the place of one without.
  StoredBallot& ballot = slot->ballots[upstream - 1];
  const bool completes = ballot.present && ballot.vote.count == 0 && equal(ballot.vote.digest, vote->digest) &&
                         equal(ballot.vote.state_digest, vote->state_digest);
  if (!ballot.present || completes) ballot.store(message, *vote, foreign);
  note_support(*slot);
  settle();
  if (!slot->carried) report_split(*slot);
  return Intake::ok;
}

/// Of this epoch, from an upstream that takes part, from the disk that was admitted, about a batch of this epoch.
bool Orderer::is_current(int upstream, const VoteView& vote) const noexcept {
  const Bytes member = Bytes(members_).subspan((upstream - 1) * incarnation_bytes, incarnation_bytes);
  return active_ && streams(upstream) && vote.epoch == epoch_ && equal(vote.incarnation, member) &&
         vote.position > activation_ && vote.position <= position_;
}

Ballots Orderer::ballots_of(const BatchSlot& slot) const noexcept {
  Ballots ballots;
  for (int upstream = 1; upstream <= 3; upstream++) {
    const StoredBallot& stored = slot.ballots[upstream - 1];
    Ballot& ballot = ballots[upstream - 1];
    if (stored.present) {
      ballot = {.state = Ballot::State::present, .foreign = stored.foreign, .vote = stored.vote};
    } else if (streams(upstream) && slot.position > links_[upstream - 1].awaited_after) {
      ballot.state = Ballot::State::awaited;
    }
  }
  return ballots;
}

void Orderer::note_support(const BatchSlot& slot) noexcept {
  std::uint8_t supporters = 0;
  if (slot.position > supported_ && vote_on_position(ballots_of(slot), supporters) == Verdict::carried) {
    supported_ = slot.position;
  }
}

/// Carries what can be carried, one position after the other.
void Orderer::settle() {
  while (carried_ < position_) {
    BatchSlot& slot = *ring_.find(carried_ + 1);
    const Ballots ballots = ballots_of(slot);
    std::uint8_t supporters = 0;
    if (vote_on_position(ballots, supporters) == Verdict::carried) {
      const VoteOutcome outcome =
          count_votes(ballots, std::span(verdicts_).first(slot.count()), std::span(agree_).first(slot.count()));
      if (outcome.batch != Verdict::carried) return;
      carry(slot, &outcome);
    } else if (supported_ > slot.position) {
      // A vote counts for everything below it; what was answered there is not known, so it is asked again.
      carry(slot, nullptr);
    } else {
      return;
    }
  }
}

void Orderer::note_carried(BatchSlot& slot) {
  slot.carried = true;
  slot.mark_proof = mark_proof(slot.position);
  carried_ = slot.position;
  carried_digest_ = slot.digest;
  if (supported_ < carried_) supported_ = carried_;
}

/// The only vote that there is: every record is answered by it, and nothing will be compared with it.
Intake Orderer::carry_alone(BatchSlot& slot, const VoteView& vote) {
  if (slot.carried) return Intake::ok;
  if (slot.position != carried_ + 1 || vote.count != slot.count() || !equal(vote.digest, slot.digest)) {
    counters_.malformed_votes++;
    return Intake::malformed;
  }
  note_carried(slot);
  links_[0].acknowledged = slot.position;
  links_[0].cursor = slot.position + 1;
  for (std::size_t index = 0; index < slot.count(); index++) deliver(slot, index, vote);
  if (carried_ > limits_.max_batches_in_flight) condense(carried_ - limits_.max_batches_in_flight);
  return Intake::ok;
}

/// Answers every record that two upstreams answered alike. The others wait again: they are exactly-once.
void Orderer::carry(BatchSlot& slot, const VoteOutcome* outcome) {
  note_carried(slot);
  bool all_carried = true;
  for (std::size_t index = 0; index < slot.count(); index++) {
    if (outcome != nullptr && verdicts_[index] == Verdict::carried) {
      deliver(slot, index, slot.ballots[std::countr_zero(agree_[index])].vote);
    } else {
      all_carried = false;
    }
  }
  for (std::size_t index = slot.count(); !all_carried && index-- > 0;) {
    if (outcome == nullptr || verdicts_[index] != Verdict::carried) return_to_pending(slot, index);
  }

  const std::uint8_t odd = outcome == nullptr ? 0 : odd_ballots(slot, *outcome);
  if (outcome != nullptr && all_carried) {
    remember(slot, *outcome);
  } else {
    for (StoredBallot& ballot : slot.ballots) ballot.clear();
  }
  if (carried_ > limits_.max_batches_in_flight) condense(carried_ - limits_.max_batches_in_flight);
  for (int upstream = 1; upstream <= 3; upstream++) {
    if ((odd & bit_of(upstream)) != 0) report_diverged(upstream, slot.position);
  }
}

void Orderer::deliver(const BatchSlot& slot, std::size_t index, const VoteView& winner) {
  const std::uint32_t route = slot.routes[index];
  if (route == route_nowhere) return;
  const Bytes blob = blob_of(winner.record(index), winner.blobs);
  std::uint8_t record[RESULT_BYTES];
  std::memcpy(record, winner.record(index), RESULT_BYTES);
  store_u64(record + ResultField::mark, slot.position);
  copy(std::span(record).subspan(ResultField::markProof), slot.mark_proof);
  if (route == route_to_proposer) {
    events_.proposed(slot.position, record, blob);
  } else {
    answer(route, record, blob);
  }
}

/// The ballots that differ from two that agree, about the batch or about a record.
std::uint8_t Orderer::odd_ballots(const BatchSlot& slot, const VoteOutcome& outcome) const noexcept {
  std::uint8_t odd = 0;
  for (int i = 0; i < 3; i++) {
    const std::uint8_t bit = static_cast<std::uint8_t>(1 << i);
    if (!slot.ballots[i].present) continue;
    bool differs = (outcome.supporters & bit) == 0;
    for (std::size_t index = 0; index < slot.ballots[i].vote.count && !differs; index++) {
      differs = verdicts_[index] == Verdict::carried && (agree_[index] & bit) == 0;
    }
    if (differs) odd |= bit;
  }
  return odd;
}

/// Keeps one ballot that agreed in everything until the last upstream has voted too.
void Orderer::remember(BatchSlot& slot, const VoteOutcome& outcome) {
  for (int i = 0; i < 3; i++) {
    if (slot.ballots[i].present) slot.compared |= static_cast<std::uint8_t>(1 << i);
  }
  std::uint8_t agree_always = outcome.supporters;
  for (std::size_t index = 0; index < slot.count(); index++) agree_always &= agree_[index];
  if (slot.compared != 0b111 && agree_always != 0) {
    slot.memory = Memory::ballot;
    slot.kept_ballot = static_cast<std::uint8_t>(std::countr_zero(agree_always));
    copy(slot.state_digest, slot.ballots[slot.kept_ballot].vote.state_digest);
  }
  for (int i = 0; i < 3; i++) {
    if (slot.memory != Memory::ballot || i != slot.kept_ballot) slot.ballots[i].clear();
  }
}

/// Replaces a kept ballot by its digest: an upstream that stays away for long costs 32 bytes per batch, not the batch.
void Orderer::condense(std::uint64_t position) {
  BatchSlot* slot = ring_.find(position);
  if (slot == nullptr) return;
  if (slot->memory == Memory::ballot) {
    slot->result_digest = digest_of_results(hasher_, slot->ballots[slot->kept_ballot].vote);
    slot->memory = Memory::digest;
  }
  slot->let_ballots_go();
}

/// A vote for a batch that two others carried already.
void Orderer::compare_late(int upstream, const VoteView& vote, BatchSlot& slot) {
  const std::uint8_t bit = bit_of(upstream);
  if (slot.memory == Memory::nothing || (slot.compared & bit) != 0) return;
  slot.compared |= bit;
  bool differs = !equal(vote.digest, slot.digest) || !equal(vote.state_digest, slot.state_digest);
  if (!differs && vote.count != 0) {
    differs = slot.memory == Memory::ballot ? !same_results(slot.ballots[slot.kept_ballot].vote, vote)
                                            : digest_of_results(hasher_, vote) != slot.result_digest;
  }
  if (slot.compared == 0b111) {
    slot.memory = Memory::nothing;
    for (StoredBallot& ballot : slot.ballots) ballot.clear();
  }
  if (differs) report_diverged(upstream, slot.position);
}

/// From here on nothing that this upstream says counts, until its owner streams to it again.
void Orderer::report_diverged(int upstream, std::uint64_t position) {
  if (!streams(upstream)) return;
  events_.diverged(upstream, position);
  forget_ballots(upstream);
  unstream(upstream);
}

void Orderer::forget_ballots(int upstream) noexcept {
  supported_ = carried_;
  for (std::uint64_t position = carried_ + 1; position <= position_; position++) {
    BatchSlot& slot = *ring_.find(position);
    slot.ballots[upstream - 1].clear();
    note_support(slot);
  }
}

void Orderer::report_split(BatchSlot& slot) {
  if (slot.split_reported || slot.carried) return;
  const VoteOutcome outcome =
      count_votes(ballots_of(slot), std::span(verdicts_).first(slot.count()), std::span(agree_).first(slot.count()));
  if (outcome.batch != Verdict::split) return;
  slot.split_reported = true;
  events_.split(slot.position);
}

}  // namespace tmr
