#include "base/hasher.hpp"

#include <algorithm>

#include "base/wipe.hpp"

namespace tmr {

void hkdf_sha256(Hasher& hasher, Bytes ikm, Bytes salt, Bytes info, MutableBytes out) noexcept {
  assert(out.size() <= 255 * digest_bytes);
  static constexpr Digest no_salt{};
  const Bytes ikm_parts[] = {ikm};
  SecretBytes<digest_bytes> extracted;
  hasher.hmac_sha256(salt.empty() ? Bytes(no_salt) : salt, ikm_parts, extracted.fill());

  SecretBytes<digest_bytes> block;
  Bytes previous;
  for (std::uint8_t counter = 1; !out.empty(); counter++) {
    const Bytes parts[] = {previous, info, {&counter, 1}};
    hasher.hmac_sha256(extracted.view(), parts, block.fill());
    const std::size_t count = std::min(out.size(), digest_bytes);
    copy(out, block.view().first(count));
    out = out.subspan(count);
    previous = block.view();
  }
}

}  // namespace tmr
