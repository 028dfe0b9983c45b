#include "vote/vote.hpp"

#include <algorithm>

namespace tmr {

namespace {

// Pairs of ballots by number: 0 is upstreams 1 and 2, 1 is 1 and 3, 2 is 2 and 3.
constexpr int pair_first[3] = {0, 0, 1};
constexpr int pair_second[3] = {1, 2, 2};

/// From equal pairs to the ballots in them. Equality is transitive: two pairs make three.
constexpr std::uint8_t members_of(std::uint8_t equal_pairs) noexcept {
  switch (equal_pairs) {
    case 0b000: return 0b000;
    case 0b001: return 0b011;
    case 0b010: return 0b101;
    case 0b100: return 0b110;
    default: return 0b111;
  }
}

constexpr int count_of(std::uint8_t ballots) noexcept {
  return (ballots & 1) + (ballots >> 1 & 1) + (ballots >> 2 & 1);
}

std::uint8_t with_state(const Ballots& ballots, Ballot::State state) noexcept {
  std::uint8_t mask = 0;
  for (int i = 0; i < 3; i++) {
    if (ballots[i].state == state) mask |= static_cast<std::uint8_t>(1 << i);
  }
  return mask;
}

/// The digests of a vote have one size, which spares the call that a comparison of any size would be.
bool same_digest(Bytes a, Bytes b) noexcept {
  assert(a.size() == DIGEST_BYTES && b.size() == DIGEST_BYTES);
  std::uint64_t difference = 0;
  for (std::size_t at = 0; at < DIGEST_BYTES; at += 8) {
    difference |= load_u64(a.data() + at) ^ load_u64(b.data() + at);
  }
  return difference == 0;
}

bool support_each_other(const Ballot& a, const Ballot& b) noexcept {
  return a.state == Ballot::State::present && b.state == Ballot::State::present && !a.foreign && !b.foreign &&
         a.vote.epoch == b.vote.epoch && a.vote.position == b.vote.position && same_digest(a.vote.digest, b.vote.digest) &&
         same_digest(a.vote.state_digest, b.vote.state_digest);
}

std::uint8_t supporting_pairs(const Ballots& ballots) noexcept {
  std::uint8_t pairs = 0;
  for (int pair = 0; pair < 3; pair++) {
    if (pair == 2 && pairs == 0b011) return 0b111;
    if (support_each_other(ballots[pair_first[pair]], ballots[pair_second[pair]])) {
      pairs |= static_cast<std::uint8_t>(1 << pair);
    }
  }
  return pairs;
}

Verdict judge_position(const Ballots& ballots, std::uint8_t pairs, std::uint8_t& supporters) noexcept {
  supporters = members_of(pairs);
  return decide(with_state(ballots, Ballot::State::present), with_state(ballots, Ballot::State::awaited), pairs);
}

/// The record part of one vote: which pairs may be equal, and which are known to be without looking at each record.
struct Comparison {
  std::uint8_t comparable = 0;
  std::uint8_t wholly_equal = 0;
};

Comparison compare_whole(const Ballots& ballots, std::uint8_t pairs) noexcept {
  Comparison comparison{.comparable = pairs};
  for (int pair = 0; pair < 3; pair++) {
    const std::uint8_t bit = static_cast<std::uint8_t>(1 << pair);
    if ((pairs & bit) == 0) continue;
    // What equals the same is equal: the third pair of three equal ballots costs nothing.
    if (pair == 2 && comparison.wholly_equal == 0b011) {
      comparison.wholly_equal |= bit;
      continue;
    }
    const VoteView& a = ballots[pair_first[pair]].vote;
    const VoteView& b = ballots[pair_second[pair]].vote;
    if (a.count == b.count && equal(a.records, b.records) && equal(a.blobs, b.blobs)) comparison.wholly_equal |= bit;
  }
  return comparison;
}

constexpr std::uint8_t both_of_pair(int pair) noexcept {
  return static_cast<std::uint8_t>(1 << pair_first[pair] | 1 << pair_second[pair]);
}

/// The usual batch: at least two voters brought results for all `count` records, equal in every byte, and any other
/// voter brought none. Who they are, or zero when each record has to be looked at.
std::uint8_t agreed_on_all(const Ballots& ballots, const Comparison& comparison, std::uint8_t voters,
                           std::size_t count) noexcept {
  std::uint8_t complete = 0;
  for (int i = 0; i < 3; i++) {
    const std::uint8_t bit = static_cast<std::uint8_t>(1 << i);
    if ((voters & bit) == 0 || ballots[i].vote.count == 0) continue;
    if (ballots[i].vote.count != count) return 0;
    complete |= bit;
  }
  for (int pair = 0; pair < 3; pair++) {
    const bool among = (complete & both_of_pair(pair)) == both_of_pair(pair);
    if (among && (comparison.wholly_equal >> pair & 1) == 0) return 0;
  }
  return count_of(complete) >= 2 ? complete : std::uint8_t{0};
}

std::uint8_t equal_pairs_of_record(const Ballots& ballots, const Comparison& comparison, std::uint8_t present,
                                   std::size_t index) noexcept {
  std::uint8_t equal_pairs = 0;
  for (int pair = 0; pair < 3; pair++) {
    const std::uint8_t bit = static_cast<std::uint8_t>(1 << pair);
    const std::uint8_t both = both_of_pair(pair);
    if ((comparison.comparable & bit) == 0 || (present & both) != both) continue;
    const bool same = (comparison.wholly_equal & bit) != 0 ||
                      same_result(ballots[pair_first[pair]].vote, ballots[pair_second[pair]].vote, index);
    if (same) equal_pairs |= bit;
  }
  return equal_pairs;
}

}  // namespace

Verdict decide(std::uint8_t present, std::uint8_t awaited, std::uint8_t equal_pairs) noexcept {
  if (equal_pairs != 0) return Verdict::carried;
  // No two are equal yet. One awaited ballot can join one that is there; two awaited can agree with each other.
  if (count_of(awaited) >= 2) return Verdict::pending;
  if (count_of(awaited) == 1 && count_of(present) >= 1) return Verdict::pending;
  return count_of(present) >= 2 ? Verdict::split : Verdict::too_few;
}

Verdict vote_on_position(const Ballots& ballots, std::uint8_t& supporters) noexcept {
  return judge_position(ballots, supporting_pairs(ballots), supporters);
}

VoteOutcome count_votes(const Ballots& ballots, std::span<Verdict> records, std::span<std::uint8_t> agree) noexcept {
  assert(records.size() == agree.size());
  VoteOutcome outcome;
  const std::uint8_t pairs = supporting_pairs(ballots);
  outcome.position = judge_position(ballots, pairs, outcome.supporters);
  outcome.batch = outcome.position;

  // Once the position is carried, what another ballot says about its records counts for nothing.
  const std::uint8_t present = with_state(ballots, Ballot::State::present);
  const std::uint8_t voters = outcome.position == Verdict::carried ? outcome.supporters : present;
  const std::uint8_t awaited = with_state(ballots, Ballot::State::awaited);
  const Comparison comparison = compare_whole(ballots, pairs);

  if (const std::uint8_t agreed = agreed_on_all(ballots, comparison, voters, records.size()); agreed != 0) {
    std::fill(records.begin(), records.end(), Verdict::carried);
    std::fill(agree.begin(), agree.end(), agreed);
    return outcome;
  }

  for (std::size_t index = 0; index < records.size(); index++) {
    std::uint8_t with_record = 0;
    for (int i = 0; i < 3; i++) {
      const std::uint8_t bit = static_cast<std::uint8_t>(1 << i);
      if ((voters & bit) != 0 && index < ballots[i].vote.count) with_record |= bit;
    }
    const std::uint8_t equal_pairs = equal_pairs_of_record(ballots, comparison, with_record, index);
    records[index] = decide(with_record, awaited, equal_pairs);
    agree[index] = members_of(equal_pairs);
    const bool contradicted = equal_pairs == 0 && count_of(with_record) >= 2;
    if (contradicted && outcome.position == Verdict::carried && outcome.batch != Verdict::split) {
      outcome.batch = records[index];
    }
  }
  return outcome;
}

bool same_result(const VoteView& a, const VoteView& b, std::size_t index) noexcept {
  constexpr std::size_t after = ResultField::blobOffset + 4;
  const std::uint8_t* left = a.record(index);
  const std::uint8_t* right = b.record(index);
  return std::memcmp(left, right, ResultField::blobOffset) == 0 &&
         std::memcmp(left + after, right + after, RESULT_BYTES - after) == 0 &&
         equal(blob_of(left, a.blobs), blob_of(right, b.blobs));
}

bool same_results(const VoteView& a, const VoteView& b) noexcept {
  if (a.count != b.count) return false;
  if (equal(a.records, b.records) && equal(a.blobs, b.blobs)) return true;
  for (std::size_t index = 0; index < a.count; index++) {
    if (!same_result(a, b, index)) return false;
  }
  return true;
}

}  // namespace tmr
