// Every combination of three ballots, one line each. Ballots with the same letter are equal; `?` is awaited, `-` cannot
// come any more. Combinations that only rename the letters are the same case.
#include "vote/vote.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "test/check.hpp"
#include "wire/records.hpp"

using namespace tmr;

namespace {

constexpr Verdict pending = Verdict::pending;
constexpr Verdict carried = Verdict::carried;
constexpr Verdict split = Verdict::split;
constexpr Verdict too_few = Verdict::too_few;

struct Result {
  std::uint8_t byte;
  std::size_t blob_offset;
  std::string blob;
};

/// A vote message of one upstream; `state` fills the state digest.
std::vector<std::uint8_t> vote_message(int upstream, std::uint8_t state, const std::vector<Result>& results,
                                       std::size_t blob_bytes = 0) {
  for (const Result& result : results) blob_bytes = std::max(blob_bytes, result.blob_offset + result.blob.size());
  const std::size_t body = VOTE_HEADER_BYTES + results.size() * RESULT_BYTES + blob_bytes;
  std::vector<std::uint8_t> message(MESSAGE_HEADER_BYTES + body);
  write_message_header(message, MessageType::vote, body, static_cast<std::uint32_t>(results.size()), blob_bytes);
  std::uint8_t* at = message.data() + MESSAGE_HEADER_BYTES;
  store_u64(at + VoteField::epoch, 5);
  store_u64(at + VoteField::position, 9);
  std::memset(at + VoteField::incarnation, upstream, incarnation_bytes);
  std::memset(at + VoteField::digest, 0xd1, DIGEST_BYTES);
  std::memset(at + VoteField::stateDigest, state, DIGEST_BYTES);
  store_u64(at + VoteField::clockMs, 1000u + static_cast<unsigned>(upstream));
  at[VoteField::upstream] = static_cast<std::uint8_t>(upstream);
  std::uint8_t* blobs = at + VOTE_HEADER_BYTES + results.size() * RESULT_BYTES;
  for (std::size_t i = 0; i < results.size(); i++) {
    std::uint8_t* record = at + VOTE_HEADER_BYTES + i * RESULT_BYTES;
    record[ResultField::quantity] = results[i].byte;
    set_blob_range(record, results[i].blob_offset, results[i].blob.size());
    std::memcpy(blobs + results[i].blob_offset, results[i].blob.data(), results[i].blob.size());
  }
  return message;
}

/// Three ballots from a line such as "a b ?", with the messages that they point into.
class Line {
 public:
  enum class Letters { state, result };

  Line(const char* text, Letters letters) : messages_(3) {
    for (int i = 0; i < 3; i++) {
      const char letter = text[2 * i];
      Ballot& ballot = ballots[i];
      if (letter == '?') ballot.state = Ballot::State::awaited;
      if (letter == '?' || letter == '-') continue;
      const std::uint8_t byte = static_cast<std::uint8_t>(letter);
      std::vector<Result> results;
      if (letter != '.') results.push_back({letters == Letters::result ? byte : std::uint8_t{1}, 0, ""});
      messages_[i] = vote_message(i + 1, letters == Letters::state ? byte : std::uint8_t{1}, results);
      ballot.state = Ballot::State::present;
      ballot.vote = *parse_vote(messages_[i]);
    }
  }

  Ballots ballots;

 private:
  std::vector<std::vector<std::uint8_t>> messages_;
};

struct PositionCase {
  const char* ballots;
  Verdict verdict;
  std::uint8_t supporters;
};

struct RecordCase {
  const char* ballots;
  Verdict batch;
  Verdict record;
  std::uint8_t agree;
};

// clang-format off
constexpr PositionCase position_cases[] = {
  {"a a a", carried, 0b111},
  {"a a b", carried, 0b011},
  {"a a ?", carried, 0b011},
  {"a a -", carried, 0b011},
  {"a b a", carried, 0b101},
  {"a b b", carried, 0b110},
  {"a b c", split,   0b000},
  {"a b ?", pending, 0b000},
  {"a b -", split,   0b000},
  {"a ? a", carried, 0b101},
  {"a ? b", pending, 0b000},
  {"a ? ?", pending, 0b000},
  {"a ? -", pending, 0b000},
  {"a - a", carried, 0b101},
  {"a - b", split,   0b000},
  {"a - ?", pending, 0b000},
  {"a - -", too_few, 0b000},
  {"? a a", carried, 0b110},
  {"? a b", pending, 0b000},
  {"? a ?", pending, 0b000},
  {"? a -", pending, 0b000},
  {"? ? a", pending, 0b000},
  {"? ? ?", pending, 0b000},
  {"? ? -", pending, 0b000},
  {"? - a", pending, 0b000},
  {"? - ?", pending, 0b000},
  {"? - -", too_few, 0b000},
  {"- a a", carried, 0b110},
  {"- a b", split,   0b000},
  {"- a ?", pending, 0b000},
  {"- a -", too_few, 0b000},
  {"- ? a", pending, 0b000},
  {"- ? ?", pending, 0b000},
  {"- ? -", too_few, 0b000},
  {"- - a", too_few, 0b000},
  {"- - ?", too_few, 0b000},
  {"- - -", too_few, 0b000},
};

// Three ballots that agree on the position, as far as they are there. Letters are result bytes; `.` is a ballot without
// records. Columns: the batch, the record, who agrees on the record.
constexpr RecordCase record_cases[] = {
  {"x x x", carried, carried, 0b111},
  {"x x y", carried, carried, 0b011},
  {"x x .", carried, carried, 0b011},
  {"x x ?", carried, carried, 0b011},
  {"x x -", carried, carried, 0b011},
  {"x y x", carried, carried, 0b101},
  {"x y y", carried, carried, 0b110},
  {"x y z", split,   split,   0b000},
  {"x y .", split,   split,   0b000},
  {"x y ?", pending, pending, 0b000},
  {"x y -", split,   split,   0b000},
  {"x . x", carried, carried, 0b101},
  {"x . y", split,   split,   0b000},
  {"x . .", carried, too_few, 0b000},
  {"x . ?", carried, pending, 0b000},
  {"x . -", carried, too_few, 0b000},
  {"x ? x", carried, carried, 0b101},
  {"x ? y", pending, pending, 0b000},
  {"x ? .", carried, pending, 0b000},
  {"x ? ?", pending, pending, 0b000},
  {"x ? -", pending, pending, 0b000},
  {"x - x", carried, carried, 0b101},
  {"x - y", split,   split,   0b000},
  {"x - .", carried, too_few, 0b000},
  {"x - ?", pending, pending, 0b000},
  {"x - -", too_few, too_few, 0b000},
  {". x x", carried, carried, 0b110},
  {". x y", split,   split,   0b000},
  {". x .", carried, too_few, 0b000},
  {". x ?", carried, pending, 0b000},
  {". x -", carried, too_few, 0b000},
  {". . x", carried, too_few, 0b000},
  {". . .", carried, too_few, 0b000},
  {". . ?", carried, too_few, 0b000},
  {". . -", carried, too_few, 0b000},
  {". ? x", carried, pending, 0b000},
  {". ? .", carried, too_few, 0b000},
  {". ? ?", pending, pending, 0b000},
  {". ? -", pending, too_few, 0b000},
  {". - x", carried, too_few, 0b000},
  {". - .", carried, too_few, 0b000},
  {". - ?", pending, too_few, 0b000},
  {". - -", too_few, too_few, 0b000},
  {"? x x", carried, carried, 0b110},
  {"? x y", pending, pending, 0b000},
  {"? x .", carried, pending, 0b000},
  {"? x ?", pending, pending, 0b000},
  {"? x -", pending, pending, 0b000},
  {"? . x", carried, pending, 0b000},
  {"? . .", carried, too_few, 0b000},
  {"? . ?", pending, pending, 0b000},
  {"? . -", pending, too_few, 0b000},
  {"? ? x", pending, pending, 0b000},
  {"? ? .", pending, pending, 0b000},
  {"? ? ?", pending, pending, 0b000},
  {"? ? -", pending, pending, 0b000},
  {"? - x", pending, pending, 0b000},
  {"? - .", pending, too_few, 0b000},
  {"? - ?", pending, pending, 0b000},
  {"? - -", too_few, too_few, 0b000},
  {"- x x", carried, carried, 0b110},
  {"- x y", split,   split,   0b000},
  {"- x .", carried, too_few, 0b000},
  {"- x ?", pending, pending, 0b000},
  {"- x -", too_few, too_few, 0b000},
  {"- . x", carried, too_few, 0b000},
  {"- . .", carried, too_few, 0b000},
  {"- . ?", pending, too_few, 0b000},
  {"- . -", too_few, too_few, 0b000},
  {"- ? x", pending, pending, 0b000},
  {"- ? .", pending, too_few, 0b000},
  {"- ? ?", pending, pending, 0b000},
  {"- ? -", too_few, too_few, 0b000},
  {"- - x", too_few, too_few, 0b000},
  {"- - .", too_few, too_few, 0b000},
  {"- - ?", too_few, too_few, 0b000},
  {"- - -", too_few, too_few, 0b000},
};
// clang-format on

}  // namespace

TEST("a position is carried by two equal ballots and never by fewer, in every combination of three") {
  for (const PositionCase& expected : position_cases) {
    const Line line(expected.ballots, Line::Letters::state);
    std::uint8_t supporters = 0;
    const Verdict verdict = vote_on_position(line.ballots, supporters);
    CHECK(verdict == expected.verdict && supporters == expected.supporters);
    if (verdict != expected.verdict) std::fprintf(stderr, "  in the case %s\n", expected.ballots);
  }
}

TEST("a record is carried by two equal results and never by fewer, in every combination of three") {
  for (const RecordCase& expected : record_cases) {
    const Line line(expected.ballots, Line::Letters::result);
    Verdict record{};
    std::uint8_t agree = 0;
    const VoteOutcome outcome = count_votes(line.ballots, {&record, 1}, {&agree, 1});
    CHECK(outcome.batch == expected.batch && record == expected.record && agree == expected.agree);
    if (outcome.batch != expected.batch || record != expected.record) {
      std::fprintf(stderr, "  in the case %s\n", expected.ballots);
    }
  }
}

TEST("ballots that differ in epoch, position, digest or state digest never support each other") {
  for (const std::size_t field :
       {VoteField::epoch, VoteField::position, VoteField::digest, VoteField::digest + 31, VoteField::stateDigest,
        VoteField::stateDigest + 31}) {
    const std::vector<std::uint8_t> a = vote_message(1, 7, {{1, 0, ""}});
    std::vector<std::uint8_t> b = vote_message(2, 7, {{1, 0, ""}});
    b[MESSAGE_HEADER_BYTES + field] ^= 1;
    Ballots ballots;
    ballots[0] = {.state = Ballot::State::present, .vote = *parse_vote(a)};
    ballots[1] = {.state = Ballot::State::present, .vote = *parse_vote(b)};
    std::uint8_t supporters = 0;
    CHECK(vote_on_position(ballots, supporters) == split);
  }
}

TEST("incarnation, clock and upstream number of a ballot have no part in the comparison") {
  const Line line("a a -", Line::Letters::state);
  CHECK(!equal(line.ballots[0].vote.incarnation, line.ballots[1].vote.incarnation));
  CHECK(line.ballots[0].vote.clock_ms != line.ballots[1].vote.clock_ms);
  std::uint8_t supporters = 0;
  CHECK(vote_on_position(line.ballots, supporters) == carried);
}

TEST("two ballots about another batch than the one voted on carry nothing") {
  Line line("a a ?", Line::Letters::state);
  line.ballots[0].foreign = true;
  line.ballots[1].foreign = true;
  std::uint8_t supporters = 0;
  CHECK(vote_on_position(line.ballots, supporters) == pending && supporters == 0);
}

TEST("results are equal when records and blob bytes are, wherever the blobs lie") {
  const std::vector<std::uint8_t> a = vote_message(1, 7, {{1, 0, "abc"}, {2, 3, "de"}});
  const std::vector<std::uint8_t> b = vote_message(2, 7, {{1, 2, "abc"}, {2, 0, "de"}});
  const std::vector<std::uint8_t> c = vote_message(3, 7, {{1, 0, "abc"}, {2, 3, "dE"}});
  const VoteView votes[] = {*parse_vote(a), *parse_vote(b), *parse_vote(c)};
  CHECK(same_results(votes[0], votes[1]));
  CHECK(!same_results(votes[0], votes[2]));
  CHECK(same_result(votes[1], votes[2], 0));
  CHECK(!same_result(votes[1], votes[2], 1));
}

TEST("any single bit of a result decides, except those of its blob offset") {
  const std::vector<std::uint8_t> a = vote_message(1, 7, {{1, 0, "blob"}}, 8);
  const VoteView left = *parse_vote(a);
  for (std::size_t bit = 0; bit < RESULT_BYTES * 8; bit++) {
    std::vector<std::uint8_t> b = a;
    b[MESSAGE_HEADER_BYTES + VOTE_HEADER_BYTES + bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const std::optional<VoteView> right = parse_vote(b);
    if (!right) continue;
    const bool is_offset = bit / 8 >= ResultField::blobOffset && bit / 8 < ResultField::blobLength;
    const bool same_blob = equal(blob_of(left.record(0), left.blobs), blob_of(right->record(0), right->blobs));
    CHECK(same_result(left, *right, 0) == (is_offset && same_blob));
  }
}

TEST("a batch is split as soon as one record is, while others are carried") {
  const std::vector<std::uint8_t> a = vote_message(1, 7, {{1, 0, ""}, {2, 0, ""}});
  const std::vector<std::uint8_t> b = vote_message(2, 7, {{1, 0, ""}, {3, 0, ""}});
  Ballots ballots;
  ballots[0] = {.state = Ballot::State::present, .vote = *parse_vote(a)};
  ballots[1] = {.state = Ballot::State::present, .vote = *parse_vote(b)};
  Verdict records[2];
  std::uint8_t agree[2];
  CHECK(count_votes(ballots, records, agree).batch == split);
  CHECK(records[0] == carried && agree[0] == 0b011);
  CHECK(records[1] == split && agree[1] == 0);
  ballots[2].state = Ballot::State::awaited;
  CHECK(count_votes(ballots, records, agree).batch == pending);
}

TEST("a vote message is refused at every truncation and with anything behind it") {
  const std::vector<std::uint8_t> message = vote_message(2, 7, {{1, 0, "blob"}});
  CHECK(parse_vote(message).has_value());
  for (std::size_t size = 0; size < message.size(); size++) CHECK(!parse_vote(Bytes(message).first(size)));
  std::vector<std::uint8_t> longer = message;
  longer.push_back(0);
  CHECK(!parse_vote(longer));
}
