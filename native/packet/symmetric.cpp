#include "packet/symmetric.hpp"

namespace tmr {

SymmetricState::SymmetricState(const char* protocol_name) noexcept {
  copy(hash_, text_bytes(protocol_name));
  chaining_key_.assign(hash_);
}

void SymmetricState::derive(Bytes input, MutableBytes first, MutableBytes second) noexcept {
  SecretBytes<2 * digest_bytes> both;
  hkdf_sha256(hasher_, input, chaining_key_.view(), {}, both.fill());
  copy(first, both.view().first<digest_bytes>());
  copy(second, both.view().last<digest_bytes>());
}

void SymmetricState::mix_key(Bytes input) noexcept {
  SecretBytes<digest_bytes> next;
  derive(input, next.fill(), key_.fill());
  chaining_key_.assign(next.view());
  has_key_ = true;
  cipher_ready_ = false;
}

void SymmetricState::mix_hash(Bytes data) noexcept { hash_ = hasher_.sha256({Bytes(hash_), data}); }

/// Which direction a key is used in is known only when it is used; within a message it stays the same.
Status SymmetricState::ready_cipher(CipherState::Direction direction) noexcept {
  if (cipher_ready_) return Status::ok;
  cipher_ready_ = true;
  return cipher_.set_key(key_.view(), direction);
}

Status SymmetricState::encrypt_and_hash(MutableBytes text_and_room) noexcept {
  if (has_key_) {
    Status status = ready_cipher(CipherState::Direction::seal);
    if (status == Status::ok) status = cipher_.seal(hash_, text_and_room);
    if (status != Status::ok) return status;
  }
  mix_hash(text_and_room);
  return Status::ok;
}

Status SymmetricState::decrypt_and_hash(MutableBytes sealed) noexcept {
  // The hash takes in what was sealed, and decrypting overwrites it.
  const Digest next = hasher_.sha256({Bytes(hash_), Bytes(sealed)});
  if (has_key_) {
    Status status = ready_cipher(CipherState::Direction::open);
    if (status == Status::ok) status = cipher_.open(hash_, sealed);
    if (status != Status::ok) return status;
  }
  hash_ = next;
  return Status::ok;
}

void SymmetricState::split(MutableBytes initiator_key, MutableBytes responder_key) noexcept {
  derive({}, initiator_key, responder_key);
}

void SymmetricState::clear() noexcept {
  chaining_key_.clear();
  key_.clear();
  cipher_.clear();
  has_key_ = false;
}

}  // namespace tmr
