// The batches that are under way and the last ones that were carried, each with where its answers go and what the
// upstreams said about it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/block.hpp"
#include "base/hasher.hpp"
#include "vote/vote.hpp"
#include "wire/records.hpp"

namespace tmr {

/// Where the answer to a record goes: a client's number, or one of these.
inline constexpr std::uint32_t route_nowhere = UINT32_MAX;
inline constexpr std::uint32_t route_to_proposer = UINT32_MAX - 1;

/// A vote that was received: its own copy of the bytes.
struct StoredBallot {
  ByteVector message;
  VoteView vote;
  bool present = false;
  /// About another batch at this position.
  bool foreign = false;

  /// Keeps the bytes of a vote message; `view` is what parse_vote made of them.
  void store(Bytes bytes, const VoteView& view, bool is_foreign);
  void clear() noexcept;
};

/// How a carried batch is remembered, to compare a late vote with it.
enum class Memory : std::uint8_t {
  /// Nothing to compare with.
  nothing,
  /// One ballot that agreed is kept.
  ballot,
  /// Only the digest of its results is.
  digest,
};

struct BatchSlot {
  /// Zero: empty.
  std::uint64_t position = 0;
  ByteVector bytes;
  Digest digest{};
  std::vector<std::uint32_t> routes;
  /// Of upstreams 1, 2, 3 while the batch is under way and shortly after, then none.
  std::span<StoredBallot> ballots;
  bool split_reported = false;

  // Once it is carried:
  bool carried = false;
  Memory memory = Memory::nothing;
  std::uint8_t kept_ballot = 0;
  /// Bit i-1 set: upstream i has voted and was compared.
  std::uint8_t compared = 0;
  Digest state_digest{};
  Digest result_digest{};
  std::array<std::uint8_t, mark_proof_bytes> mark_proof{};

  std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(routes.size()); }
  const std::uint8_t* record(std::size_t index) const noexcept {
    return bytes.data() + BATCH_HEADER_BYTES + index * REQUEST_BYTES;
  }
  Bytes blobs() const noexcept { return Bytes(bytes).subspan(BATCH_HEADER_BYTES + count() * REQUEST_BYTES); }
  void clear() noexcept;
  /// Nobody is fed with it any more; votes on it may still come.
  void forget_bytes() noexcept;
  /// Nothing is compared with its ballots any more.
  void let_ballots_go() noexcept;
};

/// Slots for consecutive positions; a new batch takes the place of the oldest. Ballots are large and needed only for the
/// newest positions, so these have a shorter ring of their own.
class BatchRing {
 public:
  /// The newest `with_ballots` positions have ballots.
  BatchRing(std::uint32_t slots, std::uint32_t with_ballots) : slots_(slots), ballots_(with_ballots) {}

  /// The batch at this position, or null when it is not here (any more).
  BatchSlot* find(std::uint64_t position) noexcept {
    BatchSlot& slot = slots_[position % slots_.size()];
    return position != 0 && slot.position == position ? &slot : nullptr;
  }
  const BatchSlot* find(std::uint64_t position) const noexcept {
    return const_cast<BatchRing*>(this)->find(position);
  }
  /// An empty slot for a new position. The ballots of the position that had its ballots before were let go.
  BatchSlot& claim(std::uint64_t position) noexcept;
  void clear() noexcept;
  std::uint64_t size() const noexcept { return slots_.size(); }

 private:
  std::vector<BatchSlot> slots_;
  std::vector<std::array<StoredBallot, 3>> ballots_;
};

/// Digest of all results of a vote as they are compared: records without their blob offsets, and blobs.
Digest digest_of_results(Hasher& hasher, const VoteView& vote);

}  // namespace tmr
