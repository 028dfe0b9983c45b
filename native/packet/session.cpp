// In the order in which bytes pass: seal (parts -> frames), open (chunk -> frames -> message -> sink).
#include "packet/session.hpp"

#include <algorithm>

namespace tmr {

namespace {

constexpr std::uint8_t more_no = 0;
constexpr std::uint8_t more_yes = 1;

std::size_t size_of(Parts parts) noexcept {
  std::size_t size = 0;
  for (const Bytes part : parts) size += part.size();
  return size;
}

/// Both sides count the same frames, so both take the next key before the same one.
Status rekey_when_due(CipherState& cipher) noexcept {
  const std::uint64_t counter = cipher.counter();
  return counter > 0 && counter % Session::frames_per_key == 0 ? cipher.rekey() : Status::ok;
}

/// Walks through the parts of a message as if they were one.
class Gather {
 public:
  explicit Gather(Parts parts) noexcept : parts_(parts) {}
  void fill(MutableBytes out) noexcept {
    while (!out.empty()) {
      const Bytes rest = parts_.front().subspan(offset_);
      const std::size_t count = std::min(rest.size(), out.size());
      copy(out, rest.first(count));
      out = out.subspan(count);
      offset_ += count;
      if (count < rest.size()) continue;
      parts_ = parts_.subspan(1);
      offset_ = 0;
    }
  }

 private:
  Parts parts_;
  std::size_t offset_ = 0;
};

}  // namespace

Session::Session(std::size_t max_message_bytes) noexcept : partial_(length_bytes + max_frame_body), assembled_(max_message_bytes) {}

Status Session::start(Bytes send_key, Bytes receive_key, std::uint64_t send_counter,
                      std::uint64_t receive_counter) noexcept {
  assert(closed_ && !send_.has_key());
  Status status = send_.set_key(send_key, CipherState::Direction::seal, send_counter);
  if (status == Status::ok) status = receive_.set_key(receive_key, CipherState::Direction::open, receive_counter);
  closed_ = status != Status::ok;
  return status;
}

Status Session::seal(Parts message, MutableBytes out) noexcept {
  if (closed_) return Status::closed;
  const std::size_t message_bytes = size_of(message);
  assert(out.size() == sealed_size(message_bytes));
  const std::size_t frames = (out.size() - message_bytes) / frame_overhead;
  if (frames > send_.left()) {
    close();
    return Status::spent;
  }
  Gather gather(message);
  for (std::size_t left = message_bytes, frame = 0; frame < frames; frame++) {
    const std::size_t fragment_bytes = std::min(left, max_fragment);
    left -= fragment_bytes;
    const MutableBytes body = out.subspan(length_bytes, 1 + fragment_bytes + tag_bytes);
    store_u16_be(out.data(), static_cast<std::uint16_t>(body.size()));
    body[0] = left > 0 ? more_yes : more_no;
    gather.fill(body.subspan(1, fragment_bytes));
    Status status = rekey_when_due(send_);
    if (status == Status::ok) status = send_.seal({}, body);
    if (status != Status::ok) {
      close();
      return status;
    }
    out = out.subspan(length_bytes + body.size());
  }
  return Status::ok;
}

Status Session::seal(Parts message, OutputBuffer& out) noexcept {
  if (closed_) return Status::closed;
  const std::size_t before = out.size();
  MutableBytes frames;
  Status status = out.extend(sealed_size(size_of(message)), frames);
  if (status != Status::ok) return status;
  status = seal(message, frames);
  if (status != Status::ok) out.truncate(before);
  return status;
}

Status Session::open(MutableBytes chunk, MessageSink& sink) noexcept {
  if (closed_) return Status::closed;
  const Status status = take_chunk(chunk, sink);
  if (status != Status::ok) close();
  return status;
}

/// First what an earlier chunk began, then whole frames where they lie, then what is left waits for the next chunk.
Status Session::take_chunk(MutableBytes chunk, MessageSink& sink) noexcept {
  if (!partial_.empty()) {
    const Status status = complete_partial(chunk, sink);
    if (status != Status::ok || !partial_.empty()) return status;
  }
  while (chunk.size() >= length_bytes) {
    const std::size_t body_bytes = load_u16_be(chunk.data());
    Status status = check_length(body_bytes);
    if (status != Status::ok) return status;
    if (chunk.size() < length_bytes + body_bytes) break;
    status = open_frame(chunk.subspan(length_bytes, body_bytes), sink);
    if (status != Status::ok) return status;
    chunk = chunk.subspan(length_bytes + body_bytes);
  }
  return partial_.append(chunk);
}

/// Moves bytes from the chunk to the frame that waits for them, and opens it when they are all there.
Status Session::complete_partial(MutableBytes& chunk, MessageSink& sink) noexcept {
  const auto take = [&](std::size_t wanted) noexcept {
    const std::size_t count = std::min(chunk.size(), wanted - std::min(wanted, partial_.size()));
    const Status status = partial_.append(chunk.first(count));
    chunk = chunk.subspan(count);
    return status;
  };
  Status status = take(length_bytes);
  if (status != Status::ok || partial_.size() < length_bytes) return status;
  const std::size_t body_bytes = load_u16_be(partial_.bytes().data());
  status = check_length(body_bytes);
  if (status == Status::ok) status = take(length_bytes + body_bytes);
  if (status != Status::ok || partial_.size() < length_bytes + body_bytes) return status;
  status = open_frame(partial_.bytes().subspan(length_bytes), sink);
  partial_.clear();
  return status;
}

/// Before a byte of the frame is kept: it must hold at least its tag and `more`, and not lead past the limit.
Status Session::check_length(std::size_t body_bytes) const noexcept {
  if (body_bytes < 1 + tag_bytes) return Status::malformed;
  const std::size_t fragment_bytes = body_bytes - 1 - tag_bytes;
  return fragment_bytes > assembled_.limit() - assembled_.size() ? Status::too_long : Status::ok;
}

Status Session::open_frame(MutableBytes body, MessageSink& sink) noexcept {
  Status status = rekey_when_due(receive_);
  if (status == Status::ok) status = receive_.open({}, body);
  if (status != Status::ok) return status;
  const std::uint8_t more = body[0];
  const MutableBytes fragment = body.subspan(1, body.size() - 1 - tag_bytes);
  const bool is_whole = more == more_no && assembled_.empty();
  // An empty fragment inside a longer message would let a peer send frames for ever without ever being too long.
  if (more > more_yes || (fragment.empty() && !is_whole)) return Status::malformed;
  if (is_whole) return sink.message(fragment);
  status = assembled_.append(fragment);
  if (status != Status::ok || more == more_yes) return status;
  status = sink.message(assembled_.bytes());
  assembled_.clear();
  return status;
}

void Session::close() noexcept {
  closed_ = true;
  send_.clear();
  receive_.clear();
  partial_.clear(0);
  assembled_.clear(0);
}

}  // namespace tmr
