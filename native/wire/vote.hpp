// The vote: an upstream's answer to one batch. 128 bytes of header, the result records in the batch's order, their
// blob area. ts/wire/vote.ts holds the same numbers.
#pragma once

#include <optional>

#include "base/bytes.hpp"
#include "wire/batch.hpp"
#include "wire/field.hpp"
#include "wire/message.hpp"

namespace tmr {

inline constexpr std::size_t VOTE_HEADER_BYTES = 128;
inline constexpr std::size_t incarnation_bytes = 16;

// clang-format off
#define TMR_VOTE_FIELDS(X)                                                                            \
  X(epoch, 0, 8) X(position, 8, 8) X(incarnation, 16, 16) X(digest, 32, 32) X(stateDigest, 64, 32)    \
  X(clockMs, 96, 8) X(upstream, 104, 1) X(tail, 105, 23)
// clang-format on

TMR_DECLARE_FIELDS(VoteField, TMR_VOTE_FIELDS, VOTE_HEADER_BYTES)

/// A vote whose bytes keep the format. Views on the message; `count` zero: it acknowledges and says nothing of results.
struct VoteView {
  std::uint64_t epoch = 0;
  std::uint64_t position = 0;
  std::uint64_t clock_ms = 0;
  std::uint8_t upstream = 0;
  std::uint32_t count = 0;
  Bytes incarnation;
  Bytes digest;
  Bytes state_digest;
  Bytes records;
  Bytes blobs;

  const std::uint8_t* record(std::size_t index) const noexcept { return records.data() + index * RESULT_BYTES; }
};

/// Nothing when it is not a vote message, or anything in it, down to the last result record, does not keep the format.
std::optional<VoteView> parse_vote(Bytes message) noexcept;

}  // namespace tmr
