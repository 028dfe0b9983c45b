#include "sockets/datagram.hpp"

#include <uv.h>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace tmr {

#ifdef _WIN32
int send_datagram(Bytes, Bytes) noexcept { return UV_ENOTSUP; }
#else
int send_datagram(Bytes path, Bytes message) noexcept {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty()) return UV_EINVAL;
  if (path.size() > sizeof(address.sun_path)) return UV_ENAMETOOLONG;
  std::copy(path.begin(), path.end(), reinterpret_cast<std::uint8_t*>(address.sun_path));
  if (path[0] == '@') address.sun_path[0] = '\0';
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  if (descriptor < 0) return uv_translate_sys_error(errno);
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  ssize_t sent = 0;
  do {
    sent = ::sendto(descriptor, message.data(), message.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&address), size);
  } while (sent < 0 && errno == EINTR);
  const int error = sent < 0 ? uv_translate_sys_error(errno) : 0;
  ::close(descriptor);
  return error;
}
#endif

}  // namespace tmr
