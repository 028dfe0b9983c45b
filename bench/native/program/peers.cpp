#include "peers.hpp"

namespace tmr::bench {

namespace {

std::vector<std::uint8_t> sealed(Session& session, Bytes message) {
  std::vector<std::uint8_t> frames(Session::sealed_size(message.size()));
  require(session.seal(Parts(&message, 1), frames) == Status::ok, "a message was not sealed");
  return frames;
}

Received opened(Session& session, Bytes frames) {
  std::vector<std::uint8_t> chunk(frames.begin(), frames.end());
  Received received;
  require(session.open(chunk, received) == Status::ok, "frames were not opened");
  return received;
}

}  // namespace

std::vector<std::uint8_t> Client::ask(std::uint32_t depth) {
  std::vector<std::uint8_t> packet(MESSAGE_HEADER_BYTES + depth * REQUEST_BYTES);
  write_message_header(packet, MessageType::requests, depth * REQUEST_BYTES, depth, 0);
  for (std::uint32_t i = 0; i < depth; i++) {
    std::uint8_t* record = packet.data() + MESSAGE_HEADER_BYTES + i * REQUEST_BYTES;
    record[RequestField::kind] = static_cast<std::uint8_t>(Kind::access);
    record[RequestField::mode] = 1;
    store_u32(record + RequestField::quantity, 1);
    store_u64(record + RequestField::request, ++request_);
    record[RequestField::session] = name_;
    store_u64(record + RequestField::answeredBelow, request_ - i);
    store_u32(record + RequestField::firmCode, 6'000'010);
    store_u32(record + RequestField::productCode, 13);
    std::memcpy(record + RequestField::mark, mark_, sizeof(mark_));
    std::memcpy(record + RequestField::markProof, mark_proof_, sizeof(mark_proof_));
  }
  return sealed(*session_, packet);
}

void Client::hear(Bytes frames, std::vector<std::uint8_t>& all) {
  for (const std::vector<std::uint8_t>& message : opened(*session_, frames).messages) {
    const std::uint8_t* record = message.data() + message.size() - RESULT_BYTES;
    std::memcpy(mark_, record + ResultField::mark, sizeof(mark_));
    std::memcpy(mark_proof_, record + ResultField::markProof, sizeof(mark_proof_));
    all.insert(all.end(), message.begin(), message.end());
  }
}

std::vector<std::uint8_t> Upstream::vote(Bytes frames, Hasher& hasher) {
  const Received received = opened(*session_, frames);
  require(received.messages.size() == 1, "not one append for one batch");
  const Bytes batch = Bytes(received.messages.front()).subspan(MESSAGE_HEADER_BYTES);
  require(is_well_formed_batch(batch), "a batch is malformed");
  const std::uint32_t count = load_u32(batch.data() + BatchField::count);
  const std::size_t body = VOTE_HEADER_BYTES + count * RESULT_BYTES;
  std::vector<std::uint8_t> message(MESSAGE_HEADER_BYTES + body);
  write_message_header(message, MessageType::vote, body, count, 0);
  std::uint8_t* vote = message.data() + MESSAGE_HEADER_BYTES;
  std::memcpy(vote + VoteField::epoch, batch.data() + BatchField::epoch, 8);
  std::memcpy(vote + VoteField::position, batch.data() + BatchField::position, 8);
  const Digest digest = hasher.sha256({batch.subspan(BatchField::previous, DIGEST_BYTES), batch});
  std::memcpy(vote + VoteField::digest, digest.data(), DIGEST_BYTES);
  vote[VoteField::upstream] = static_cast<std::uint8_t>(number_);
  for (std::uint32_t i = 0; i < count; i++) {
    const std::uint8_t* request = batch.data() + BATCH_HEADER_BYTES + i * REQUEST_BYTES;
    std::uint8_t* result = vote + VOTE_HEADER_BYTES + i * RESULT_BYTES;
    result[ResultField::kind] = request[RequestField::kind];
    std::memcpy(result + ResultField::request, request + RequestField::request, 8);
    std::memcpy(result + ResultField::session, request + RequestField::session, SESSION_BYTES);
    store_u64(result + ResultField::handle, load_u64(batch.data() + BatchField::position) * MAX_BATCH_RECORDS + i);
  }
  return sealed(*session_, message);
}

}  // namespace tmr::bench
