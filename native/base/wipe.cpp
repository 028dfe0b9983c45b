#include "base/wipe.hpp"

namespace tmr {

namespace {
// Called through a volatile pointer, the call may have any effect as far as the compiler can know.
void* (*const volatile fill)(void*, int, std::size_t) = std::memset;
}  // namespace

void wipe(MutableBytes secret) noexcept {
  if (!secret.empty()) fill(secret.data(), 0, secret.size());
}

}  // namespace tmr
