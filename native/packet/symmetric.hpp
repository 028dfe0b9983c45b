// The SymmetricState of the Noise framework (revision 34, section 5.2), with AES-256-GCM and SHA-256.
#pragma once

#include "base/hasher.hpp"
#include "base/wipe.hpp"
#include "packet/cipher.hpp"
#include "packet/evp_hasher.hpp"

namespace tmr {

/// Chaining key, handshake hash and the cipher between them. Neither copies nor moves.
class SymmetricState {
 public:
  /// A protocol name of at most 32 bytes is its own hash, filled up with zeros.
  explicit SymmetricState(const char* protocol_name) noexcept;
  ~SymmetricState() = default;
  SymmetricState(const SymmetricState&) = delete;
  SymmetricState& operator=(const SymmetricState&) = delete;
  SymmetricState(SymmetricState&&) = delete;
  SymmetricState& operator=(SymmetricState&&) = delete;

  void mix_key(Bytes input) noexcept;
  void mix_hash(Bytes data) noexcept;
  /// Bytes that encrypting adds: a tag once there is a key.
  std::size_t overhead() const noexcept { return has_key_ ? tag_bytes : 0; }
  /// In place: the text, then overhead() bytes of room for the tag.
  Status encrypt_and_hash(MutableBytes text_and_room) noexcept;
  /// In place: what was sealed becomes the text, then overhead() bytes without meaning.
  Status decrypt_and_hash(MutableBytes sealed) noexcept;
  /// The two transport keys: initiator to responder, then back.
  void split(MutableBytes initiator_key, MutableBytes responder_key) noexcept;
  const Digest& hash() const noexcept { return hash_; }
  void clear() noexcept;

 private:
  /// Noise's HKDF with two outputs, from the chaining key.
  void derive(Bytes input, MutableBytes first, MutableBytes second) noexcept;
  Status ready_cipher(CipherState::Direction direction) noexcept;

  EvpHasher hasher_;
  SecretBytes<digest_bytes> chaining_key_;
  SecretBytes<key_bytes> key_;
  CipherState cipher_;
  Digest hash_{};
  bool has_key_ = false;
  bool cipher_ready_ = false;
};

}  // namespace tmr
