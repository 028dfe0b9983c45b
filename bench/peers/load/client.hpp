// What the workload knows of a license client, and what each peer's driver provides.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "loop.hpp"

namespace load {

/// Told how a client's request ended.
class Outcome {
 public:
  virtual ~Outcome() = default;
  virtual void granted() = 0;
  /// no seat at this attempt; the workload waits a little and tries again
  virtual void refused() = 0;
  virtual void released() = 0;
};

/// One license client. At most one request is under way.
class Client {
 public:
  virtual ~Client() = default;
  virtual void access(Outcome& outcome) = 0;
  virtual void release(Outcome& outcome) = 0;
  /// Gives back what the peer keeps for this client; called for all clients first, then `wait_closed` for all.
  virtual void begin_close() {}
  virtual void wait_closed() {}
};

/// What a driver is given to open its clients.
struct Setup {
  Loop& loop;
  std::span<const std::uint16_t> ports;
  std::uint32_t clients;
  std::uint32_t seats;
};

/// Clients of one peer, and what they share.
class Driver {
 public:
  virtual ~Driver() = default;
  virtual std::vector<std::unique_ptr<Client>> open() = 0;
};

/// Which seat a client tries. The first attempt of every client goes to a seat of its own where there are enough, so that
/// no peer loses time with collisions that a good client avoids; after a refusal any other one.
class SeatChoice {
 public:
  SeatChoice(std::uint32_t index, std::uint32_t seats) : random_(index + 1), seats_(seats), seat_(index % seats) {}
  std::uint32_t seat() const { return seat_; }
  void choose(std::uint32_t seat) { seat_ = seat; }
  void another() { seat_ = static_cast<std::uint32_t>(random_() % seats_); }
  /// One of the free seats, whichever, so that not all clients run for the same; false when none is free.
  bool choose_free(const std::vector<bool>& taken) {
    const auto free = static_cast<std::uint32_t>(std::count(taken.begin(), taken.end(), false));
    if (free == 0) return false;
    auto nth = static_cast<std::uint32_t>(random_() % free);
    for (std::uint32_t seat = 0; seat < taken.size(); ++seat) {
      if (!taken[seat] && nth-- == 0) seat_ = seat;
    }
    return true;
  }

 private:
  std::minstd_rand random_;
  std::uint32_t seats_;
  std::uint32_t seat_;
};

std::unique_ptr<Driver> echo_driver(const Setup& setup);
std::unique_ptr<Driver> redis_driver(const Setup& setup);
std::unique_ptr<Driver> etcd_driver(const Setup& setup);
std::unique_ptr<Driver> zookeeper_driver(const Setup& setup);
std::unique_ptr<Driver> postgres_driver(const Setup& setup, std::uint32_t most_connections);
std::unique_ptr<Driver> http_driver(const Setup& setup);

}  // namespace load
