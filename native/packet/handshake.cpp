// In the order of a handshake: start, write or read a message token by token, split.
#include "packet/handshake.hpp"

namespace tmr {

Handshake::Handshake(Role role, Pattern pattern) noexcept
    : role_(role),
      pattern_(pattern),
      symmetric_(pattern == Pattern::nk ? "Noise_NK_25519_AESGCM_SHA256" : "Noise_IK_25519_AESGCM_SHA256") {}

Status Handshake::start(Bytes prologue, const HandshakeKeys& keys) noexcept {
  assert(step_ == Step::created);
  const bool initiates = role_ == Role::initiator;
  assert(!keys.own_static.empty() == (!initiates || pattern_ == Pattern::ik));
  assert(!keys.remote_static.empty() == initiates);
  Status status = Status::ok;
  if (!keys.own_static.empty()) {
    static_private_.assign(keys.own_static);
    status = x25519_public(static_private_.view(), static_public_);
  }
  if (initiates) {
    copy(remote_static_, keys.remote_static);
    knows_remote_ = true;
  }
  if (status == Status::ok) {
    if (keys.ephemeral.empty()) {
      status = x25519_random(ephemeral_private_.fill());
    } else {
      ephemeral_private_.assign(keys.ephemeral);
    }
  }
  if (status == Status::ok) status = x25519_public(ephemeral_private_.view(), ephemeral_public_);
  symmetric_.mix_hash(prologue);
  symmetric_.mix_hash(initiates ? remote_static_ : static_public_);
  if (status == Status::ok) {
    step_ = Step::first;
  } else {
    close();
  }
  return status;
}

Handshake::Tokens Handshake::message_tokens() const noexcept {
  static constexpr Token nk_first[] = {Token::e, Token::es};
  static constexpr Token nk_second[] = {Token::e, Token::ee};
  static constexpr Token ik_first[] = {Token::e, Token::es, Token::s, Token::ss};
  static constexpr Token ik_second[] = {Token::e, Token::ee, Token::se};
  if (step_ == Step::first) return pattern_ == Pattern::nk ? Tokens(nk_first) : Tokens(ik_first);
  return pattern_ == Pattern::nk ? Tokens(nk_second) : Tokens(ik_second);
}

std::size_t Handshake::written_size(std::size_t payload_bytes) const noexcept {
  std::size_t size = curve_bytes + payload_bytes + tag_bytes;
  if (step_ == Step::first && pattern_ == Pattern::ik) size += curve_bytes + tag_bytes;
  return size;
}

Status Handshake::write(Bytes payload, MutableBytes out) noexcept {
  if (!may_write()) return Status::out_of_turn;
  assert(out.size() == written_size(payload.size()) && out.size() <= max_message);
  Status status = write_tokens(out);
  if (status == Status::ok) {
    copy(out, payload);
    status = symmetric_.encrypt_and_hash(out);
  }
  return finish_message(status);
}

Status Handshake::write_tokens(MutableBytes& out) noexcept {
  for (const Token token : message_tokens()) {
    Status status = Status::ok;
    if (token == Token::e) {
      copy(out, ephemeral_public_);
      symmetric_.mix_hash(ephemeral_public_);
      out = out.subspan(curve_bytes);
    } else if (token == Token::s) {
      const MutableBytes sealed = out.first(curve_bytes + symmetric_.overhead());
      copy(sealed, static_public_);
      status = symmetric_.encrypt_and_hash(sealed);
      out = out.subspan(sealed.size());
    } else {
      status = mix_shared(token);
    }
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

Status Handshake::read(MutableBytes message, MutableBytes& payload) noexcept {
  if (!may_read()) return Status::out_of_turn;
  if (message.size() > max_message) return finish_message(Status::too_long);
  Status status = read_tokens(message);
  if (status == Status::ok && message.size() < symmetric_.overhead()) status = Status::malformed;
  if (status == Status::ok) status = symmetric_.decrypt_and_hash(message);
  if (status == Status::ok) payload = message.first(message.size() - symmetric_.overhead());
  return finish_message(status);
}

Status Handshake::read_tokens(MutableBytes& message) noexcept {
  for (const Token token : message_tokens()) {
    Status status = Status::ok;
    if (token == Token::e) {
      if (message.size() < curve_bytes) return Status::malformed;
      copy(remote_ephemeral_, message.first(curve_bytes));
      symmetric_.mix_hash(remote_ephemeral_);
      message = message.subspan(curve_bytes);
    } else if (token == Token::s) {
      const std::size_t sealed_bytes = curve_bytes + symmetric_.overhead();
      if (message.size() < sealed_bytes) return Status::malformed;
      status = symmetric_.decrypt_and_hash(message.first(sealed_bytes));
      if (status == Status::ok) copy(remote_static_, message.first(curve_bytes));
      message = message.subspan(sealed_bytes);
    } else {
      status = mix_shared(token);
    }
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

/// In a token the initiator's key comes first: `es` is the initiator's ephemeral with the responder's static.
Status Handshake::mix_shared(Token token) noexcept {
  const bool initiates = role_ == Role::initiator;
  const bool own_is_static = token == Token::ss || token == (initiates ? Token::se : Token::es);
  const bool remote_is_static = token == Token::ss || token == (initiates ? Token::es : Token::se);
  SecretBytes<curve_bytes> shared;
  const Status status = x25519_shared(own_is_static ? static_private_.view() : ephemeral_private_.view(),
                                      remote_is_static ? remote_static_ : remote_ephemeral_, shared.fill());
  if (status == Status::ok) symmetric_.mix_key(shared.view());
  return status;
}

Status Handshake::finish_message(Status status) noexcept {
  if (status != Status::ok) {
    close();
    return status;
  }
  const bool was_first = step_ == Step::first;
  // A responder knows the initiator's key once the whole first message, sealed under it, was genuine.
  if (was_first && pattern_ == Pattern::ik) knows_remote_ = true;
  step_ = was_first ? Step::second : Step::complete;
  return Status::ok;
}

Status Handshake::split(Session& session) noexcept {
  if (step_ != Step::complete) return Status::out_of_turn;
  SecretBytes<key_bytes> initiator_key;
  SecretBytes<key_bytes> responder_key;
  symmetric_.split(initiator_key.fill(), responder_key.fill());
  symmetric_.clear();
  step_ = Step::split;
  return role_ == Role::initiator ? session.start(initiator_key.view(), responder_key.view())
                                  : session.start(responder_key.view(), initiator_key.view());
}

void Handshake::close() noexcept {
  step_ = Step::ended;
  knows_remote_ = false;
  symmetric_.clear();
  static_private_.clear();
  ephemeral_private_.clear();
}

}  // namespace tmr
