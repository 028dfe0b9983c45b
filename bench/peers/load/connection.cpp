#include "connection.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace load {

Connection::Connection(std::uint16_t port, Receiver& receiver)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), receiver_(receiver), buffer_(64 * 1024) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd_ < 0 || connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("cannot connect to port", std::to_string(port).c_str());
  }
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Connection::~Connection() { close(fd_); }

void Connection::attach(Loop& loop) { loop.watch(fd_, *this); }

void Connection::send(std::string_view bytes) {
  const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent != static_cast<ssize_t>(bytes.size())) fail("cannot send", std::strerror(errno));
}

void Connection::read_some() {
  pollfd entry{fd_, POLLIN, 0};
  if (poll(&entry, 1, 10'000) != 1) fail("no answer within 10 s");
  ready();
}

void Connection::ready() {
  if (used_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
  const ssize_t got = recv(fd_, buffer_.data() + used_, buffer_.size() - used_, MSG_DONTWAIT);
  if (got > 0) {
    take(static_cast<std::size_t>(got));
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    fail("connection lost", got == 0 ? "closed by the peer" : std::strerror(errno));
  }
}

void Connection::take(std::size_t added) {
  used_ += added;
  const std::size_t taken = receiver_.receive({buffer_.data(), used_});
  std::memmove(buffer_.data(), buffer_.data() + taken, used_ - taken);
  used_ -= taken;
}

void put16(std::string& out, std::uint16_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value & 0xff));
}

void put32(std::string& out, std::uint32_t value) {
  put16(out, static_cast<std::uint16_t>(value >> 16));
  put16(out, static_cast<std::uint16_t>(value & 0xffff));
}

void put64(std::string& out, std::uint64_t value) {
  put32(out, static_cast<std::uint32_t>(value >> 32));
  put32(out, static_cast<std::uint32_t>(value & 0xffff'ffff));
}

std::uint32_t get32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

std::uint64_t get64(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint64_t>(get32(bytes, at)) << 32 | get32(bytes, at + 4);
}

}  // namespace load
