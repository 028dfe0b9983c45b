#include "packet/gcm.hpp"

#include <openssl/evp.h>

#include "packet/errors.hpp"

namespace tmr {

void Gcm::FreeContext::operator()(evp_cipher_ctx_st* context) const noexcept { EVP_CIPHER_CTX_free(context); }

bool Gcm::set_key(Bytes key, Direction direction) noexcept {
  assert(key.size() == key_bytes);
  if (context_ == nullptr) context_.reset(EVP_CIPHER_CTX_new());
  const int encrypt = direction == Direction::seal ? 1 : 0;
  const bool done = context_ != nullptr && EVP_CipherInit_ex(context_.get(), EVP_aes_256_gcm(), nullptr, key.data(),
                                                             nullptr, encrypt) == 1;
  if (done) return true;
  clear();
  return forget_errors();
}

/// Everything but the tag. Sizes fit an int: no text is longer than a frame.
bool Gcm::run(const Nonce& nonce, Bytes associated, MutableBytes text) noexcept {
  EVP_CIPHER_CTX* context = context_.get();
  int done = 0;
  if (EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, nonce.data(), -1) != 1) return false;
  if (!associated.empty() &&
      EVP_CipherUpdate(context, nullptr, &done, associated.data(), static_cast<int>(associated.size())) != 1) {
    return false;
  }
  return text.empty() ||
         EVP_CipherUpdate(context, text.data(), &done, text.data(), static_cast<int>(text.size())) == 1;
}

bool Gcm::seal(const Nonce& nonce, Bytes associated, MutableBytes text_and_tag) noexcept {
  assert(has_key() && text_and_tag.size() >= tag_bytes);
  const MutableBytes tag = text_and_tag.last(tag_bytes);
  int done = 0;
  return (run(nonce, associated, text_and_tag.first(text_and_tag.size() - tag_bytes)) &&
          EVP_CipherFinal_ex(context_.get(), tag.data(), &done) == 1 &&
          EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, tag_bytes, tag.data()) == 1) ||
         forget_errors();
}

bool Gcm::open(const Nonce& nonce, Bytes associated, MutableBytes text_and_tag) noexcept {
  assert(has_key());
  if (text_and_tag.size() < tag_bytes) return false;
  const MutableBytes tag = text_and_tag.last(tag_bytes);
  std::uint8_t unused[tag_bytes];
  int done = 0;
  return (run(nonce, associated, text_and_tag.first(text_and_tag.size() - tag_bytes)) &&
          EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, tag_bytes, tag.data()) == 1 &&
          EVP_CipherFinal_ex(context_.get(), unused, &done) == 1) ||
         forget_errors();
}

}  // namespace tmr
