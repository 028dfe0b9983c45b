// A cipher that enciphers nothing, in place of packet/gcm.cpp, whose OpenSSL exists only inside node: with it a count of
// instructions is one of everything but the cryptography. Frames keep their size; the tag is zeros and is looked at.
#include "packet/gcm.hpp"

namespace tmr {

namespace {
std::uint8_t one_context_for_all = 0;
}

void Gcm::FreeContext::operator()(evp_cipher_ctx_st*) const noexcept {}

bool Gcm::set_key(Bytes, Direction) noexcept {
  context_.reset(reinterpret_cast<evp_cipher_ctx_st*>(&one_context_for_all));
  return true;
}

bool Gcm::seal(const Nonce&, Bytes, MutableBytes text_and_tag) noexcept {
  std::memset(text_and_tag.last(tag_bytes).data(), 0, tag_bytes);
  return true;
}

bool Gcm::open(const Nonce&, Bytes, MutableBytes text_and_tag) noexcept {
  return text_and_tag.size() >= tag_bytes && is_zero(text_and_tag.last(tag_bytes));
}

}  // namespace tmr
