// The vote over three answers to one batch.
//
// Two ballots support each other when epoch, position, digest and state digest are equal. Two that do carry the
// position; a record is carried by two of them that also have equal result bytes. A ballot without records supports the
// position and no record. A caller can stop waiting as soon as the outcome is not `pending`: it cannot change any more.
#pragma once

#include <array>
#include <span>

#include "base/bytes.hpp"
#include "wire/vote.hpp"

namespace tmr {

enum class Verdict : std::uint8_t {
  /// Ballots still awaited decide it.
  pending = 0,
  /// Two ballots agree.
  carried = 1,
  /// Two or three differ and none that could make two equal is awaited.
  split = 2,
  /// `short` on the other side of the boundary: too few ballots, and too few can still come.
  too_few = 3,
};

struct Ballot {
  enum class State : std::uint8_t { awaited, gone, present };
  State state = State::gone;
  /// Present, but about another batch than the one voted on: it supports nothing.
  bool foreign = false;
  /// Meaningful when present.
  VoteView vote;
};

/// Ballots of upstreams 1, 2, 3.
using Ballots = std::array<Ballot, 3>;

struct VoteOutcome {
  /// The vote on the position alone.
  Verdict position = Verdict::pending;
  /// The whole batch: `carried` when the position is and no two of its supporters contradict each other over a record;
  /// a record for which fewer than two kept results may then still be `pending` or `too_few`. While a contradiction can
  /// be settled by an awaited ballot it is `pending`, afterwards `split`.
  Verdict batch = Verdict::pending;
  /// Bit i-1 set: ballot i supports the carried position. Zero unless carried.
  std::uint8_t supporters = 0;
};

/// Three ballots on one question: who has an answer, who may still give one, which answers are equal (bit 0: 1 and 2,
/// bit 1: 1 and 3, bit 2: 2 and 3).
Verdict decide(std::uint8_t present, std::uint8_t awaited, std::uint8_t equal_pairs) noexcept;

/// The vote on the position alone; `supporters` as in VoteOutcome.
Verdict vote_on_position(const Ballots& ballots, std::uint8_t& supporters) noexcept;

/// The whole vote. `records` and `agree` have one element per record of the batch: its verdict, and bit i-1 set when
/// ballot i has the carried bytes. A ballot with fewer records has no answer for the others.
VoteOutcome count_votes(const Ballots& ballots, std::span<Verdict> records, std::span<std::uint8_t> agree) noexcept;

/// True when the results of record `index` are equal in every byte, apart from where their blobs lie.
bool same_result(const VoteView& a, const VoteView& b, std::size_t index) noexcept;

/// True when all results are equal: one comparison of memory when, as usual, the blobs lie alike.
bool same_results(const VoteView& a, const VoteView& b) noexcept;

}  // namespace tmr
