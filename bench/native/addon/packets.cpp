// Seal and open: by the packet path, and by OpenSSL without it.
#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench_addon.hpp"
#include "packet/session.hpp"

namespace tmr::bench {

namespace {

constexpr std::uint8_t sealing_key[key_bytes] = {0x5e, 0xa1};
constexpr std::uint8_t other_key[key_bytes] = {0x0b};

void require(bool done) {
  if (done) return;
  std::fputs("tmr bench: sealing or opening failed\n", stderr);
  std::abort();
}

/// What is sealed: `count` messages, each of other bytes.
std::vector<std::uint8_t> texts(std::size_t count, std::size_t message_bytes) {
  std::vector<std::uint8_t> bytes(count * message_bytes);
  for (std::size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<std::uint8_t>(i * 7 + i / message_bytes);
  return bytes;
}

class SessionPackets final : public Measured, private MessageSink {
 public:
  SessionPackets(std::size_t count, std::size_t message_bytes)
      : message_bytes_(message_bytes),
        texts_(texts(count, message_bytes)),
        from_(65'000),
        to_(65'000),
        frames_(count * Session::sealed_size(message_bytes)) {
    require(from_.start(sealing_key, other_key) == Status::ok && to_.start(other_key, sealing_key) == Status::ok);
  }

  void run() override {
    frames_.clear(frames_.limit());
    opened_ = 0;
    for (std::size_t at = 0; at < texts_.size(); at += message_bytes_) {
      require(from_.seal(Bytes(texts_).subspan(at, message_bytes_), frames_) == Status::ok);
    }
    require(to_.open(frames_.bytes(), *this) == Status::ok && opened_ == texts_.size());
  }

  /// Opened in place: lengths, texts, and the tags, which vouch for every byte that was sealed.
  Bytes output() const override { return frames_.bytes(); }

 private:
  Status message(MutableBytes message) noexcept override {
    opened_ += message.size();
    return Status::ok;
  }

  const std::size_t message_bytes_;
  const std::vector<std::uint8_t> texts_;
  Session from_;
  Session to_;
  OutputBuffer frames_;
  std::size_t opened_ = 0;
};

class BarePackets final : public Measured {
 public:
  BarePackets(std::size_t count, std::size_t message_bytes, bool framed)
      : message_bytes_(message_bytes),
        head_(framed ? Session::length_bytes + 1 : 0),
        more_(framed ? 1 : 0),
        texts_(texts(count, message_bytes)),
        frames_(count * (head_ + message_bytes + tag_bytes)),
        sealing_(EVP_CIPHER_CTX_new()),
        opening_(EVP_CIPHER_CTX_new()) {
    require(EVP_EncryptInit_ex(sealing_, EVP_aes_256_gcm(), nullptr, sealing_key, nullptr) == 1 &&
            EVP_DecryptInit_ex(opening_, EVP_aes_256_gcm(), nullptr, sealing_key, nullptr) == 1);
  }
  ~BarePackets() override {
    EVP_CIPHER_CTX_free(sealing_);
    EVP_CIPHER_CTX_free(opening_);
  }

  void run() override {
    const std::size_t frame_bytes = head_ + message_bytes_ + tag_bytes;
    std::uint64_t counter = counter_;
    std::uint8_t* frame = frames_.data();
    for (std::size_t at = 0; at < texts_.size(); at += message_bytes_, frame += frame_bytes) {
      seal(texts_.data() + at, frame, counter++);
    }
    counter = counter_;
    for (frame = frames_.data(); frame < frames_.data() + frames_.size(); frame += frame_bytes) {
      open(frame, counter++);
    }
    counter_ = counter;
  }

  Bytes output() const override { return frames_; }

 private:
  void seal(const std::uint8_t* text, std::uint8_t* frame, std::uint64_t counter) {
    std::uint8_t nonce[nonce_bytes] = {};
    store_u64_be(nonce + 4, counter);
    std::uint8_t* body = frame + head_ - more_;
    const int size = static_cast<int>(message_bytes_ + more_);
    const std::uint8_t* from = text;
    if (more_ != 0) {
      store_u16_be(frame, static_cast<std::uint16_t>(message_bytes_ + 1 + tag_bytes));
      body[0] = 0;
      std::memcpy(body + 1, text, message_bytes_);
      from = body;
    }
    int done = 0;
    require(EVP_EncryptInit_ex(sealing_, nullptr, nullptr, nullptr, nonce) == 1 &&
            EVP_EncryptUpdate(sealing_, body, &done, from, size) == 1 &&
            EVP_EncryptFinal_ex(sealing_, body + size, &done) == 1 &&
            EVP_CIPHER_CTX_ctrl(sealing_, EVP_CTRL_AEAD_GET_TAG, tag_bytes, body + size) == 1);
  }

  void open(std::uint8_t* frame, std::uint64_t counter) {
    std::uint8_t nonce[nonce_bytes] = {};
    store_u64_be(nonce + 4, counter);
    std::uint8_t* body = frame + head_ - more_;
    const int size = static_cast<int>(message_bytes_ + more_);
    std::uint8_t unused[tag_bytes];
    int done = 0;
    require(EVP_DecryptInit_ex(opening_, nullptr, nullptr, nullptr, nonce) == 1 &&
            EVP_DecryptUpdate(opening_, body, &done, body, size) == 1 &&
            EVP_CIPHER_CTX_ctrl(opening_, EVP_CTRL_AEAD_SET_TAG, tag_bytes, body + size) == 1 &&
            EVP_DecryptFinal_ex(opening_, unused, &done) == 1);
  }

  const std::size_t message_bytes_;
  const std::size_t head_;
  const std::size_t more_;
  const std::vector<std::uint8_t> texts_;
  std::vector<std::uint8_t> frames_;
  EVP_CIPHER_CTX* const sealing_;
  EVP_CIPHER_CTX* const opening_;
  std::uint64_t counter_ = 0;
};

}  // namespace

Measured* new_session_packets(std::size_t count, std::size_t message_bytes) {
  return new SessionPackets(count, message_bytes);
}

Measured* new_bare_packets(std::size_t count, std::size_t message_bytes, bool framed) {
  return new BarePackets(count, message_bytes, framed);
}

}  // namespace tmr::bench
