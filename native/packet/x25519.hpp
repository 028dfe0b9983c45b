// X25519 (RFC 7748) as Noise uses it.
#pragma once

#include <cstddef>

#include "base/bytes.hpp"
#include "base/status.hpp"

namespace tmr {

constexpr std::size_t curve_bytes = 32;

/// The public key of a private key; all views are 32 bytes.
Status x25519_public(Bytes private_key, MutableBytes public_key) noexcept;

/// The shared secret; not_genuine when it is all zero, which only a crafted public key makes (RFC 7748, section 6.1).
Status x25519_shared(Bytes private_key, Bytes public_key, MutableBytes shared) noexcept;

/// A fresh private key from the random generator of OpenSSL.
Status x25519_random(MutableBytes private_key) noexcept;

}  // namespace tmr
