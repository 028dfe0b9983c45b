// One datagram to a local socket that somebody else made: how a process tells its service manager how it is.
#pragma once

#include "base/bytes.hpp"

namespace tmr {

/// Sends `message` to the Unix datagram socket at `path`, whole or not at all, without waiting. A path that begins with '@'
/// is an abstract name. Returns 0 or the system's error, as a negative errno of libuv.
int send_datagram(Bytes path, Bytes message) noexcept;

}  // namespace tmr
