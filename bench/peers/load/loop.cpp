#include "loop.hpp"

#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace load {

std::uint64_t now() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<std::uint64_t>(at.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(at.tv_nsec);
}

void fail(const char* what, const char* detail) {
  std::fprintf(stderr, "load: %s %s\n", what, detail);
  std::exit(1);
}

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) fail("epoll_create1");
}

Loop::~Loop() { close(epoll_); }

void Loop::watch(int fd, Readable& readable) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &readable;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

void Loop::after(std::uint64_t ns, std::function<void()> task) { timers_.push({now() + ns, std::move(task)}); }

void Loop::run(const std::function<bool()>& done) {
  while (!done()) {
    wait();
    run_timers();
  }
}

void Loop::wait() {
  // Never longer than 100 ms: the caller's own end may depend on the clock alone.
  std::uint64_t ns = 100'000'000;
  if (!timers_.empty()) {
    const std::uint64_t at = now();
    const std::uint64_t due = timers_.top().due;
    ns = due <= at ? 0 : std::min(ns, due - at);
  }
  const timespec timeout{0, static_cast<long>(ns)};
  std::array<epoll_event, 256> events{};
  const int count = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
  if (count < 0 && errno != EINTR) fail("epoll_pwait2");
  for (int i = 0; i < count; ++i) static_cast<Readable*>(events[static_cast<std::size_t>(i)].data.ptr)->ready();
}

void Loop::run_timers() {
  const std::uint64_t at = now();
  while (!timers_.empty() && timers_.top().due <= at) {
    const std::function<void()> task = timers_.top().task;
    timers_.pop();
    task();
  }
}

}  // namespace load
