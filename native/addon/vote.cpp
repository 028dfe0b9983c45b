// engine.vote(a, b, c): the vote over three answers to one batch, for whoever embeds the engine.
#include "vote/vote.hpp"

#include <algorithm>

#include "addon/parts.hpp"
#include "addon/support.hpp"

namespace tmr::addon {

namespace {

/// undefined: awaited. null: cannot come any more. Otherwise a vote message of this upstream.
bool read_ballot(napi_env env, napi_value value, int upstream, Ballot& out) noexcept {
  if (is_undefined(env, value)) {
    out.state = Ballot::State::awaited;
    return true;
  }
  if (is_null(env, value)) return true;
  char what[16];
  std::snprintf(what, sizeof(what), "ballot %d", upstream);
  Bytes message;
  if (!read_bytes(env, value, what, message)) return false;
  const std::optional<VoteView> vote = parse_vote(message);
  if (!vote || vote->upstream != upstream) {
    throw_misuse(env, Misuse::argument, "%s must be a well-formed vote message of upstream %d", what, upstream);
    return false;
  }
  out.state = Ballot::State::present;
  out.vote = *vote;
  return true;
}

napi_value vote(napi_env env, napi_callback_info info) noexcept {
  const Call<3> call(env, info);
  Ballots ballots;
  std::size_t count = 0;
  for (int i = 0; i < 3; i++) {
    if (!read_ballot(env, call[static_cast<std::size_t>(i)], i + 1, ballots[i])) return nullptr;
    count = std::max<std::size_t>(count, ballots[i].vote.count);
  }
  std::array<Verdict, MAX_BATCH_RECORDS> verdicts;
  std::array<std::uint8_t, MAX_BATCH_RECORDS> agree;
  const VoteOutcome outcome = count_votes(ballots, std::span(verdicts).first(count), std::span(agree).first(count));

  std::array<std::uint8_t, MAX_BATCH_RECORDS> numbers;
  std::transform(verdicts.begin(), verdicts.begin() + static_cast<std::ptrdiff_t>(count), numbers.begin(),
                 [](Verdict verdict) { return static_cast<std::uint8_t>(verdict); });
  napi_value object = nullptr;
  const bool made = napi_create_object(env, &object) == napi_ok &&
                    set_value(env, object, "verdict", make_number(env, static_cast<double>(outcome.batch))) &&
                    set_value(env, object, "records", make_buffer(env, Bytes(numbers).first(count))) &&
                    set_value(env, object, "agree", make_buffer(env, Bytes(agree).first(count)));
  return made ? object : nullptr;
}

}  // namespace

bool register_vote(napi_env env, napi_value exports) noexcept { return set_function(env, exports, "vote", vote); }

}  // namespace tmr::addon
