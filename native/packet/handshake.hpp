// The two handshakes of the protocol: Noise_NK and Noise_IK (revision 34, section 7.5), 25519, AESGCM, SHA256.
//
//   NK   <- s   ...   -> e, es          <- e, ee         clients without a key of their own
//   IK   <- s   ...   -> e, es, s, ss   <- e, ee, se     enrolled clients, and servers among each other
#pragma once

#include <cstdint>
#include <memory>

#include "base/buffer.hpp"
#include "base/bytes.hpp"
#include "base/status.hpp"
#include "packet/session.hpp"
#include "packet/symmetric.hpp"
#include "packet/x25519.hpp"

namespace tmr {

enum class Role : std::uint8_t { initiator, responder };
enum class Pattern : std::uint8_t { nk, ik };

/// Keys that are set before the first message; an empty view is a key that is not given.
struct HandshakeKeys {
  /// own private key: responder always, initiator with IK
  Bytes own_static;
  /// the responder's public key: initiator always
  Bytes remote_static;
  /// fixed ephemeral private key: published vectors and the simulator only
  Bytes ephemeral;
};

/// One handshake of one side: one message written, one read, then split. A failed call ends it: every later one is
/// out_of_turn. Messages are at most 65535 bytes. One thread at a time. Neither copies nor moves; wipes its keys.
class Handshake {
 public:
  static constexpr std::size_t max_message = 65535;

  Handshake(Role role, Pattern pattern) noexcept;
  ~Handshake() { close(); }
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;
  Handshake(Handshake&&) = delete;
  Handshake& operator=(Handshake&&) = delete;

  /// The keys must be those that role and pattern ask for, 32 bytes each.
  Status start(Bytes prologue, const HandshakeKeys& keys) noexcept;

  bool may_write() const noexcept { return step_ == (role_ == Role::initiator ? Step::first : Step::second); }
  bool may_read() const noexcept { return step_ == (role_ == Role::initiator ? Step::second : Step::first); }
  /// Bytes of the message that `write` makes now.
  std::size_t written_size(std::size_t payload_bytes) const noexcept;

  /// Makes the next message in `out`, whose size is written_size(). not_genuine: the peer's key is a crafted one.
  Status write(Bytes payload, MutableBytes out) noexcept;
  /// Takes the peer's message, decrypts in place, and gives the payload as a view into it.
  Status read(MutableBytes message, MutableBytes& payload) noexcept;

  bool complete() const noexcept { return step_ == Step::complete || step_ == Step::split; }
  /// The peer's static public key once it is known, else empty.
  Bytes remote_static() const noexcept { return knows_remote_ ? Bytes(remote_static_) : Bytes(); }
  /// 32 bytes once complete, else empty.
  Bytes hash() const noexcept { return complete() ? Bytes(symmetric_.hash()) : Bytes(); }

  /// Gives the transport keys to a session that was not started; once.
  Status split(Session& session) noexcept;
  void close() noexcept;

 private:
  enum class Step : std::uint8_t { created, first, second, complete, split, ended };
  enum class Token : std::uint8_t { e, s, ee, es, se, ss };
  using Tokens = std::span<const Token>;

  Tokens message_tokens() const noexcept;
  Status write_tokens(MutableBytes& out) noexcept;
  Status read_tokens(MutableBytes& message) noexcept;
  Status mix_shared(Token token) noexcept;
  Status finish_message(Status status) noexcept;

  const Role role_;
  const Pattern pattern_;
  Step step_ = Step::created;
  bool knows_remote_ = false;
  SymmetricState symmetric_;
  SecretBytes<curve_bytes> static_private_;
  SecretBytes<curve_bytes> ephemeral_private_;
  std::array<std::uint8_t, curve_bytes> static_public_{};
  std::array<std::uint8_t, curve_bytes> ephemeral_public_{};
  std::array<std::uint8_t, curve_bytes> remote_static_{};
  std::array<std::uint8_t, curve_bytes> remote_ephemeral_{};
};

}  // namespace tmr
