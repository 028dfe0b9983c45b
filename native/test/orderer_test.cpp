// The orderer's storyline on plain bytes, without OpenSSL or JavaScript: what test/native covers in depth, here once
// through, so that sanitizers and fuzzers have a program to run.
#include "gateway/orderer.hpp"

#include <cstring>
#include <vector>

#include "test/check.hpp"
#include "test/sha256.hpp"

using namespace tmr;

namespace {

constexpr std::uint8_t twin_key[32] = {0x7a};
constexpr Digest genesis = {1, 2, 3};
constexpr std::uint8_t members[MEMBERS_BYTES] = {};

OrderingOptions options() {
  return {.limits = {.max_clients = 4,
                     .max_pending_requests = 16,
                     .max_requests_per_batch = 4,
                     .max_batch_blob_bytes = 1024,
                     .max_batches_in_flight = 2,
                     .retained_batches = 2,
                     .max_client_output_bytes = 4096},
          .session_timeouts = {.least = 1000, .by_default = 2000, .most = 3000},
          .twin_key = twin_key};
}

std::vector<std::uint8_t> request_packet(Kind kind, std::uint64_t number) {
  std::vector<std::uint8_t> packet(MESSAGE_HEADER_BYTES + REQUEST_BYTES);
  write_message_header(packet, MessageType::requests, REQUEST_BYTES, 1, 0);
  std::uint8_t* record = packet.data() + MESSAGE_HEADER_BYTES;
  record[RequestField::kind] = static_cast<std::uint8_t>(kind);
  store_u64(record + RequestField::request, number);
  record[RequestField::session] = 9;
  return packet;
}

/// The vote of an upstream on the batch in its next append: every result is `mark`.
std::vector<std::uint8_t> next_vote(Orderer& orderer, Hasher& hasher, int upstream, std::uint8_t mark) {
  const std::optional<AppendParts> append = orderer.take_append(upstream);
  if (!append) return {};
  const Bytes batch = append->batch;
  CHECK(is_well_formed_batch(batch));
  const std::uint32_t count = load_u32(batch.data() + BatchField::count);
  const std::size_t body = VOTE_HEADER_BYTES + count * RESULT_BYTES;
  std::vector<std::uint8_t> vote(MESSAGE_HEADER_BYTES + body);
  write_message_header(vote, MessageType::vote, body, count, 0);
  std::uint8_t* at = vote.data() + MESSAGE_HEADER_BYTES;
  std::memcpy(at + VoteField::epoch, batch.data() + BatchField::epoch, 8);
  std::memcpy(at + VoteField::position, batch.data() + BatchField::position, 8);
  const Digest digest = hasher.sha256({batch.subspan(BatchField::previous, DIGEST_BYTES), batch});
  std::memcpy(at + VoteField::digest, digest.data(), DIGEST_BYTES);
  at[VoteField::upstream] = static_cast<std::uint8_t>(upstream);
  for (std::size_t i = 0; i < count; i++) at[VOTE_HEADER_BYTES + i * RESULT_BYTES + ResultField::quantity] = mark;
  return vote;
}

}  // namespace

TEST("a client packet becomes a batch, two equal votes an answer with its mark") {
  test::PlainHasher hasher;
  Orderer orderer(options(), hasher);
  orderer.activate(2, 0, genesis, members);
  for (int upstream = 1; upstream <= 3; upstream++) CHECK(orderer.stream(upstream, 0));
  const std::uint32_t client = orderer.add_client();
  CHECK(orderer.client_message(client, request_packet(Kind::access, 1)) == Intake::ok);
  CHECK(orderer.next_batch(10, 20) == 1);
  CHECK(orderer.vote(1, next_vote(orderer, hasher, 1, 5)) == Intake::ok);
  CHECK(orderer.take_client_message(client).empty());
  CHECK(orderer.vote(2, next_vote(orderer, hasher, 2, 6)) == Intake::ok);
  CHECK(orderer.take_client_message(client).empty() && orderer.carried() == 0);
  CHECK(orderer.vote(3, next_vote(orderer, hasher, 3, 5)) == Intake::ok);
  const Bytes packet = orderer.take_client_message(client);
  CHECK(packet.size() == MESSAGE_HEADER_BYTES + RESULT_BYTES);
  CHECK(packet[MESSAGE_HEADER_BYTES + ResultField::quantity] == 5);
  CHECK(load_u64(packet.data() + MESSAGE_HEADER_BYTES + ResultField::mark) == 1);
  CHECK(orderer.carried() == 1);
  const std::optional<Event> event = orderer.take_event();
  CHECK(event && event->type == Event::Type::diverged && event->upstream == 2 && event->position == 1);
  CHECK(orderer.reached() == 0b101);
}

TEST("the ring goes round many times with one upstream silent, then compares its late votes with digests") {
  test::PlainHasher hasher;
  OrderingOptions wide = options();
  wide.limits.retained_batches = 12;
  Orderer orderer(wide, hasher);
  orderer.activate(2, 0, genesis, members);
  for (int upstream = 1; upstream <= 3; upstream++) CHECK(orderer.stream(upstream, 0));
  const std::uint32_t client = orderer.add_client();
  for (std::uint64_t number = 1; number <= 40; number++) {
    CHECK(orderer.client_message(client, request_packet(Kind::heartbeat, number)) == Intake::ok);
    CHECK(orderer.next_batch(number, number) == 1);
    for (const int upstream : {1, 2}) CHECK(orderer.vote(upstream, next_vote(orderer, hasher, upstream, 1)) == Intake::ok);
    CHECK(!orderer.take_client_message(client).empty());
    CHECK(orderer.carried() == number);
    if (number == 20) {
      CHECK(orderer.reached() == 0b011);
      CHECK(!orderer.stream(3, 5));
      CHECK(orderer.stream(3, 18));
      while (true) {
        const std::vector<std::uint8_t> vote = next_vote(orderer, hasher, 3, 1);
        if (vote.empty()) break;
        CHECK(orderer.vote(3, vote) == Intake::ok);
      }
      CHECK(orderer.acknowledged(3) == 20);
    }
  }
  CHECK(orderer.stream(3, 30));
  CHECK(orderer.vote(3, next_vote(orderer, hasher, 3, 1)) == Intake::ok);
  CHECK(!orderer.take_event().has_value());
  CHECK(orderer.vote(3, next_vote(orderer, hasher, 3, 7)) == Intake::ok);
  const std::optional<Event> event = orderer.take_event();
  CHECK(event && event->type == Event::Type::diverged && event->upstream == 3 && event->position == 32);
}

TEST("a vote with any one bit flipped and a packet with any one bit flipped leave the orderer whole") {
  test::PlainHasher hasher;
  Orderer orderer(options(), hasher);
  orderer.activate(2, 0, genesis, members);
  for (int upstream = 1; upstream <= 3; upstream++) CHECK(orderer.stream(upstream, 0));
  const std::vector<std::uint8_t> packet = request_packet(Kind::openSession, 1);
  for (std::size_t bit = 0; bit < packet.size() * 8; bit++) {
    std::vector<std::uint8_t> flipped = packet;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const std::uint32_t client = orderer.add_client();
    static_cast<void>(orderer.client_message(client, flipped));
    orderer.remove_client(client);
  }
  CHECK(orderer.pending() == 0);
  const std::uint32_t client = orderer.add_client();
  CHECK(orderer.client_message(client, packet) == Intake::ok);
  CHECK(orderer.next_batch(1, 1) == 1);
  const std::vector<std::uint8_t> vote = next_vote(orderer, hasher, 1, 1);
  for (std::size_t bit = 0; bit < vote.size() * 8; bit++) {
    std::vector<std::uint8_t> flipped = vote;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    static_cast<void>(orderer.vote(1, flipped));
  }
  CHECK(orderer.carried() == 0);
}
