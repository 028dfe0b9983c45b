// One thread of events: sockets that can be read and timers that are due. Everything the generator does happens inside
// one of its callbacks.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

namespace load {

/// Monotonic time in nanoseconds.
std::uint64_t now();

/// Ends the process with a message: a generator that cannot do its work must not report a figure.
[[noreturn]] void fail(const char* what, const char* detail = "");

/// Something that wants to know when its socket can be read.
class Readable {
 public:
  virtual ~Readable() = default;
  virtual void ready() = 0;
};

class Loop {
 public:
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  void watch(int fd, Readable& readable);
  void after(std::uint64_t ns, std::function<void()> task);
  /// Runs until `done()` is true; looked at after every turn.
  void run(const std::function<bool()>& done);

 private:
  struct Timer {
    std::uint64_t due;
    std::function<void()> task;
    bool operator<(const Timer& other) const { return due > other.due; }
  };

  void wait();
  void run_timers();

  int epoll_;
  std::priority_queue<Timer> timers_;
};

}  // namespace load
