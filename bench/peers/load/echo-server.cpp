// The cheapest server there is: sends back whatever comes. One thread; a TCP proxy stands before it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

int listen_on(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(fd, 1024) != 0) {
    std::perror("echo: listen");
    std::exit(1);
  }
  return fd;
}

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

void echo(int fd) {
  std::array<char, 4096> bytes;
  const ssize_t got = recv(fd, bytes.data(), bytes.size(), 0);
  if (got <= 0 || send(fd, bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) close(fd);
}

void welcome(int epoll, int listener) {
  const int fd = accept(listener, nullptr, nullptr);
  if (fd < 0) return;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  watch(epoll, fd);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  const int listener = listen_on(static_cast<std::uint16_t>(std::atoi(argv[1])));
  const int epoll = epoll_create1(0);
  watch(epoll, listener);
  std::array<epoll_event, 256> events{};
  for (;;) {
    const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        welcome(epoll, listener);
      } else {
        echo(fd);
      }
    }
  }
}
