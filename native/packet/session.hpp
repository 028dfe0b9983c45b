// One encrypted connection after its handshake: messages in, frames out, and back.
//
// A message travels as one or more frames. A frame is u16 big-endian length, then a Noise transport message of that
// length whose plaintext is u8 `more` (1: goes on in the next frame, 0: ends here) and a fragment. A fragment is empty
// only when the whole message is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/buffer.hpp"
#include "base/bytes.hpp"
#include "base/hasher.hpp"
#include "base/status.hpp"
#include "packet/cipher.hpp"

namespace tmr {

/// Takes the messages that Session::open completes. The bytes are valid during the call and may be overwritten.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  /// Anything but ok stops: the session closes and open() returns that status.
  virtual Status message(MutableBytes message) noexcept = 0;
};

class Session {
 public:
  static constexpr std::size_t length_bytes = 2;
  /// Bytes of a frame besides its fragment.
  static constexpr std::size_t frame_overhead = length_bytes + 1 + tag_bytes;
  static constexpr std::size_t max_frame_body = 65535;
  static constexpr std::size_t max_fragment = max_frame_body - 1 - tag_bytes;
  /// Frames under one key; then both sides go on with Noise's REKEY without a word.
  static constexpr std::uint64_t frames_per_key = std::uint64_t{1} << 20;

  /// `max_message_bytes` bounds what the peer may send. Usable after `start`.
  explicit Session(std::size_t max_message_bytes) noexcept;
  ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(Session&&) = delete;

  /// Counters other than zero are for tests of what happens after very many frames.
  Status start(Bytes send_key, Bytes receive_key, std::uint64_t send_counter = 0,
               std::uint64_t receive_counter = 0) noexcept;

  /// Bytes of all frames of a message of this size.
  static constexpr std::size_t sealed_size(std::size_t message_bytes) noexcept {
    const std::size_t frames = message_bytes == 0 ? 1 : (message_bytes + max_fragment - 1) / max_fragment;
    return message_bytes + frames * frame_overhead;
  }

  /// Seals one message, given in parts, into `out`, whose size is sealed_size() of their sum. Status spent: nothing was
  /// sealed and nothing ever will be.
  Status seal(Parts message, MutableBytes out) noexcept;
  /// The same, appended to a buffer; no_room leaves both unchanged.
  Status seal(Parts message, OutputBuffer& out) noexcept;
  Status seal(Bytes message, OutputBuffer& out) noexcept { return seal(Parts(&message, 1), out); }

  /// Takes what the socket delivered, in any division, decrypts it in place (the chunk's content is gone afterwards)
  /// and gives each complete message to the sink. After anything but ok the session is closed for good.
  Status open(MutableBytes chunk, MessageSink& sink) noexcept;

  /// Wipes the keys and drops what was buffered. Idempotent; every later call returns closed.
  void close() noexcept;
  bool is_closed() const noexcept { return closed_; }
  /// Bytes of memory held for frames and messages that are not complete yet.
  std::size_t buffered_capacity() const noexcept { return partial_.capacity() + assembled_.capacity(); }

 private:
  Status take_chunk(MutableBytes chunk, MessageSink& sink) noexcept;
  Status complete_partial(MutableBytes& chunk, MessageSink& sink) noexcept;
  Status check_length(std::size_t body_bytes) const noexcept;
  Status open_frame(MutableBytes body, MessageSink& sink) noexcept;

  CipherState send_;
  CipherState receive_;
  BoundedBuffer partial_;
  BoundedBuffer assembled_;
  bool closed_ = true;
};

}  // namespace tmr
