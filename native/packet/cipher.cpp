#include "packet/cipher.hpp"

namespace tmr {

namespace {
Nonce nonce_of(std::uint64_t counter) noexcept {
  Nonce nonce{};
  store_u64_be(nonce.data() + 4, counter);
  return nonce;
}
}  // namespace

Status CipherState::set_key(Bytes key, Direction direction, std::uint64_t counter) noexcept {
  key_.assign(key);
  counter_ = counter;
  direction_ = direction;
  if (gcm_.set_key(key_.view(), direction)) return Status::ok;
  clear();
  return Status::crypto_failed;
}

Status CipherState::seal(Bytes associated, MutableBytes text_and_tag) noexcept {
  assert(direction_ == Direction::seal);
  if (counter_ > max_counter) return Status::spent;
  if (!gcm_.seal(nonce_of(counter_), associated, text_and_tag)) return Status::crypto_failed;
  counter_++;
  return Status::ok;
}

Status CipherState::open(Bytes associated, MutableBytes text_and_tag) noexcept {
  assert(direction_ == Direction::open);
  if (counter_ > max_counter) return Status::spent;
  if (!gcm_.open(nonce_of(counter_), associated, text_and_tag)) return Status::not_genuine;
  counter_++;
  return Status::ok;
}

Status CipherState::rekey() noexcept {
  // REKEY(k) is the first 32 bytes of ENCRYPT(k, 2^64 - 1, empty, 32 zero bytes), whichever direction this is.
  SecretBytes<key_bytes + tag_bytes> next;
  Gcm sealing;
  if (!sealing.set_key(key_.view(), Direction::seal) || !sealing.seal(nonce_of(UINT64_MAX), {}, next.fill())) {
    return Status::crypto_failed;
  }
  return set_key(next.view().first(key_bytes), direction_, counter_);
}

void CipherState::clear() noexcept {
  gcm_.clear();
  key_.clear();
}

}  // namespace tmr
