// OpenSSL's error queue belongs to the thread, and node's own crypto reads it too: what we leave there would come up as
// the reason of somebody else's failure.
#pragma once

#include <openssl/err.h>

namespace tmr {

/// Empties the queue after a call that failed. Returns false, to be returned on.
inline bool forget_errors() noexcept {
  ERR_clear_error();
  return false;
}

}  // namespace tmr
