#include "wire/vote.hpp"

#include "wire/records.hpp"

namespace tmr {

std::optional<VoteView> parse_vote(Bytes message) noexcept {
  const std::optional<MessageView> frame = parse_message(message);
  if (!frame || frame->type != MessageType::vote || frame->count > MAX_BATCH_RECORDS) return std::nullopt;
  const std::optional<RecordsView> parts = split_records(*frame, VOTE_HEADER_BYTES);
  if (!parts) return std::nullopt;

  const Bytes header = parts->prefix;
  const std::uint8_t* at = header.data();
  const std::uint8_t upstream = at[VoteField::upstream];
  if (!is_safe_u64(at + VoteField::epoch) || !is_safe_u64(at + VoteField::position) ||
      !is_safe_u64(at + VoteField::clockMs) || upstream < 1 || upstream > 3 ||
      !is_zero(header.subspan(VoteField::tail))) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < parts->count; i++) {
    if (!is_well_formed_result(parts->records.data() + i * RESULT_BYTES, parts->blobs.size())) return std::nullopt;
  }
  return VoteView{
      .epoch = load_u64(at + VoteField::epoch),
      .position = load_u64(at + VoteField::position),
      .clock_ms = load_u64(at + VoteField::clockMs),
      .upstream = upstream,
      .count = parts->count,
      .incarnation = header.subspan(VoteField::incarnation, incarnation_bytes),
      .digest = header.subspan(VoteField::digest, DIGEST_BYTES),
      .state_digest = header.subspan(VoteField::stateDigest, DIGEST_BYTES),
      .records = parts->records,
      .blobs = parts->blobs,
  };
}

}  // namespace tmr
