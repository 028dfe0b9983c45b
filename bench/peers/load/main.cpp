// The load generator: N closed-loop license clients in one thread, each access -> hold -> release, against one peer.
//
//   load PEER CLIENTS SECONDS WARM-UP SEATS HOLD-µs PORT...
//
// Prints `measuring` and `measured` at the ends of the measured time and then one line of JSON. Latency of a checkout runs
// from the first attempt to the release's answer, with refused attempts and the hold. It counts by itself how many seats
// are out at the same time: from the grant's arrival to the moment before the release is sent.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "client.hpp"

namespace load {
namespace {

struct Workload {
  double seconds;
  double warm_up;
  std::uint64_t hold_ns;
};

/// What all clients of a run count together.
struct Counts {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint32_t out = 0;
  std::uint32_t most_out = 0;
  std::uint32_t running = 0;
  std::uint64_t refused = 0;
  std::vector<std::uint32_t> latencies;  // in ns, of checkouts that ended while measuring
};

/// One client's closed loop.
class ClosedLoop final : public Outcome {
 public:
  ClosedLoop(Loop& loop, Client& client, Counts& counts, std::uint64_t hold_ns, std::uint32_t index)
      : loop_(loop), client_(client), counts_(counts), hold_ns_(hold_ns), random_(index + 77) {}

  void start() {
    started_ = now();
    client_.access(*this);
  }

  void granted() override {
    counts_.most_out = std::max(counts_.most_out, ++counts_.out);
    if (hold_ns_ == 0) {
      give_back();
    } else {
      loop_.after(hold_ns_, [this] { give_back(); });
    }
  }

  void refused() override {
    ++counts_.refused;
    // About as long as the wait for one of the seats; different for each, so that not all come back together.
    loop_.after(500'000 + random_() % 1'000'000, [this] { client_.access(*this); });
  }

  void released() override {
    const std::uint64_t at = now();
    if (at >= counts_.begin && at < counts_.end) {
      counts_.latencies.push_back(static_cast<std::uint32_t>(at - started_));
    }
    if (at >= counts_.end) {
      --counts_.running;
    } else {
      started_ = at;
      client_.access(*this);
    }
  }

 private:
  void give_back() {
    --counts_.out;
    client_.release(*this);
  }

  Loop& loop_;
  Client& client_;
  Counts& counts_;
  std::uint64_t hold_ns_;
  std::minstd_rand random_;
  std::uint64_t started_ = 0;
};

std::uint64_t own_cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& at) { return static_cast<std::uint64_t>(at.tv_sec * 1'000'000 + at.tv_usec); };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

double percentile_ms(const std::vector<std::uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
  return sorted[index] / 1e6;
}

void run(const Setup& setup, const Workload& workload, Driver& driver) {
  const std::vector<std::unique_ptr<Client>> clients = driver.open();
  Counts counts;
  counts.latencies.reserve(1 << 20);
  counts.begin = now() + static_cast<std::uint64_t>(workload.warm_up * 1e9);
  counts.end = counts.begin + static_cast<std::uint64_t>(workload.seconds * 1e9);
  counts.running = static_cast<std::uint32_t>(clients.size());
  std::vector<std::unique_ptr<ClosedLoop>> loops;
  for (const auto& client : clients) {
    const auto index = static_cast<std::uint32_t>(loops.size());
    loops.push_back(std::make_unique<ClosedLoop>(setup.loop, *client, counts, workload.hold_ns, index));
  }
  std::uint64_t cpu_before = 0;
  std::uint64_t cpu_us = 0;
  setup.loop.after(counts.begin - now(), [&] {
    cpu_before = own_cpu_us();
    std::puts("measuring");
    std::fflush(stdout);
  });
  setup.loop.after(counts.end - now(), [&] {
    cpu_us = own_cpu_us() - cpu_before;
    std::puts("measured");
    std::fflush(stdout);
  });
  for (const auto& loop : loops) loop->start();
  setup.loop.run([&] { return counts.running == 0 && cpu_us > 0; });
  for (const auto& client : clients) client->begin_close();
  for (const auto& client : clients) client->wait_closed();
  std::sort(counts.latencies.begin(), counts.latencies.end());
  std::printf("{\"checkouts\":%zu,\"seconds\":%g,\"p50Ms\":%.4f,\"p99Ms\":%.4f,\"mostOut\":%u,\"refused\":%llu,"
              "\"generatorCpuUs\":%llu}\n",
              counts.latencies.size(), workload.seconds, percentile_ms(counts.latencies, 0.5),
              percentile_ms(counts.latencies, 0.99), counts.most_out, static_cast<unsigned long long>(counts.refused),
              static_cast<unsigned long long>(cpu_us));
}

std::unique_ptr<Driver> driver_of(std::string_view peer, const Setup& setup) {
  if (peer == "echo") return echo_driver(setup);
  if (peer == "redis") return redis_driver(setup);
  if (peer == "etcd") return etcd_driver(setup);
  if (peer == "zookeeper") return zookeeper_driver(setup);
  // The numbers of connections that were fastest of 8, 16, 32 and 64: more of them share a sync, fewer cost less.
  if (peer == "postgres") return postgres_driver(setup, 32);
  if (peer == "postgres-few") return postgres_driver(setup, 8);
  if (peer == "http") return http_driver(setup);
  fail("no such peer");
}

}  // namespace
}  // namespace load

int main(int argc, char** argv) {
  if (argc < 8) load::fail("usage: load PEER CLIENTS SECONDS WARM-UP SEATS HOLD-µs PORT...");
  std::vector<std::uint16_t> ports;
  for (int i = 7; i < argc; ++i) ports.push_back(static_cast<std::uint16_t>(std::atoi(argv[i])));
  load::Loop loop;
  const load::Setup setup{loop, ports, static_cast<std::uint32_t>(std::atoi(argv[2])),
                          static_cast<std::uint32_t>(std::atoi(argv[5]))};
  const load::Workload workload{std::atof(argv[3]), std::atof(argv[4]),
                                static_cast<std::uint64_t>(std::atoll(argv[6])) * 1000U};
  if (setup.clients == 0 || setup.seats == 0 || workload.seconds <= 0) load::fail("numbers above zero expected");
  const auto driver = load::driver_of(argv[1], setup);
  load::run(setup, workload, *driver);
  return 0;
}
