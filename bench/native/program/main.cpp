// What one request costs the engine's core in instructions: engine_bench CLIENTS DEPTH ROUNDS [STAGE].
//
// In each round every client sends one packet of DEPTH requests; they become one batch; three upstreams vote; every
// client takes its answers. Run by valgrind's callgrind, which collects only inside the functions whose names begin with
// `stage_`, or inside the one named, and not inside `uncounted_hash`. Prints the number of requests and the SHA-256 of
// all answers.
#include <algorithm>
#include <cinttypes>
#include <cstdlib>
#include <string_view>

#include "peers.hpp"

using namespace tmr;
using namespace tmr::bench;

// Names for callgrind's --toggle-collect: functions of their own, whatever the optimizer would like.
#if defined(__clang__)
#define TMR_STAGE extern "C" __attribute__((noinline))
#else
#define TMR_STAGE extern "C" __attribute__((noinline, noclone, noipa))
#endif

namespace {

bool counting = false;
/// The stage to be counted; empty: all are.
std::string_view chosen_stage;
test::PlainHasher plain_hasher;

}  // namespace

TMR_STAGE void uncounted_hash(Bytes key, Parts parts, std::span<std::uint8_t, digest_bytes> out, bool keyed) {
  if (keyed) {
    plain_hasher.hmac_sha256(key, parts, out);
  } else {
    plain_hasher.sha256(parts, out);
  }
  forget_memory();
}

TMR_STAGE Intake stage_intake(Gateway& gateway, std::uint32_t client, MutableBytes chunk) {
  const Intake intake = gateway.client_bytes(client, chunk);
  forget_memory();
  return intake;
}

TMR_STAGE std::uint32_t stage_order(Gateway& gateway, std::uint64_t now) {
  const std::uint32_t count = gateway.orderer().next_batch(now, now);
  forget_memory();
  return count;
}

TMR_STAGE std::size_t stage_fan_out(Gateway& gateway, int upstream, Bytes& out) {
  out = gateway.take_upstream_output(upstream);
  forget_memory();
  return out.size();
}

TMR_STAGE Intake stage_vote(Gateway& gateway, int upstream, MutableBytes chunk) {
  const Intake intake = gateway.upstream_bytes(upstream, chunk);
  forget_memory();
  return intake;
}

TMR_STAGE std::size_t stage_answer(Gateway& gateway, MutableBytes slab, std::span<Gateway::ClientWrite> writes) {
  const std::size_t count = gateway.take_client_output(slab, writes);
  forget_memory();
  return count;
}

namespace {

/// SHA-256 that callgrind does not count while it counts.
class UncountedHasher final : public Hasher {
 public:
  using Hasher::hmac_sha256;
  using Hasher::sha256;
  void sha256(Parts parts, std::span<std::uint8_t, digest_bytes> out) noexcept override { hash({}, parts, out, false); }
  void hmac_sha256(Bytes key, Parts parts, std::span<std::uint8_t, digest_bytes> out) noexcept override {
    hash(key, parts, out, true);
  }

 private:
  /// A toggle outside a stage would begin to collect instead of ending it.
  static void hash(Bytes key, Parts parts, std::span<std::uint8_t, digest_bytes> out, bool keyed) noexcept {
    if (counting) return uncounted_hash(key, parts, out, keyed);
    if (keyed) return plain_hasher.hmac_sha256(key, parts, out);
    plain_hasher.sha256(parts, out);
  }
};

/// Calls a stage with its hashing left out of the count.
template <class Stage>
auto counted(std::string_view name, Stage stage) {
  counting = chosen_stage.empty() || chosen_stage == name;
  const auto result = stage();
  counting = false;
  return result;
}

class Plant {
 public:
  Plant(std::uint32_t clients, std::uint32_t depth)
      : depth_(depth),
        gateway_({.limits = {.max_clients = clients,
                             .max_pending_requests = clients * depth,
                             .max_requests_per_batch = MAX_BATCH_RECORDS,
                             .max_batch_blob_bytes = 4096,
                             .max_batches_in_flight = 4,
                             .retained_batches = 8,
                             .max_client_output_bytes = 1u << 20},
                  .session_timeouts = {.least = 5'000, .by_default = 120'000, .most = 86'400'000},
                  .twin_key = twin_key},
                 hasher_),
        slab_(256 * 1024),
        writes_(clients) {
    gateway_.orderer().activate(2, 0, genesis, members);
    for (int upstream = 1; upstream <= 3; upstream++) {
      upstreams_.emplace_back(upstream);
      gateway_.set_upstream(upstream, new_session(MAX_LINK_MESSAGE_BYTES));
      require(gateway_.orderer().stream(upstream, 0), "an upstream is not streamed to");
    }
    for (std::uint32_t i = 0; i < clients; i++) {
      numbers_.push_back(gateway_.add_client());
      gateway_.attach_client(numbers_.back(), new_session(MAX_PACKET_BYTES));
      clients_.emplace_back(static_cast<std::uint8_t>(i + 1));
    }
  }

  /// One packet of every client, to the answers. `now` counts the rounds.
  void round(std::uint64_t now) {
    for (std::size_t i = 0; i < clients_.size(); i++) {
      std::vector<std::uint8_t> frames = clients_[i].ask(depth_);
      const Intake intake = counted("stage_intake", [&] { return stage_intake(gateway_, numbers_[i], frames); });
      require(intake == Intake::ok, "a packet was refused");
    }
    const std::uint32_t count = counted("stage_order", [&] { return stage_order(gateway_, now); });
    require(count == clients_.size() * depth_, "the requests did not become one batch");

    std::vector<std::vector<std::uint8_t>> votes;
    for (int upstream = 1; upstream <= 3; upstream++) {
      Bytes frames;
      counted("stage_fan_out", [&] { return stage_fan_out(gateway_, upstream, frames); });
      votes.push_back(upstreams_[upstream - 1].vote(frames, hasher_));
    }
    for (int upstream = 1; upstream <= 3; upstream++) {
      const Intake intake = counted("stage_vote", [&] { return stage_vote(gateway_, upstream, votes[upstream - 1]); });
      require(intake == Intake::ok, "a vote was refused");
    }

    std::size_t answered = 0;
    while (const std::size_t count = counted("stage_answer", [&] { return stage_answer(gateway_, slab_, writes_); })) {
      for (const Gateway::ClientWrite& write : std::span(writes_).first(count)) {
        const auto to = std::ranges::find(numbers_, write.client);
        require(to != numbers_.end(), "an answer for nobody");
        clients_[to - numbers_.begin()].hear(Bytes(slab_).subspan(write.offset, write.size), answers_);
        const Bytes all[] = {digest_, answers_};
        plain_hasher.sha256(all, digest_);
        answers_.clear();
      }
      answered += count;
    }
    require(answered >= clients_.size(), "not every client was answered");
  }

  /// Of all answers so far, in the order in which they were taken: SHA-256(the digest before, the packet).
  const Digest& digest() const noexcept { return digest_; }

 private:
  static constexpr std::uint8_t twin_key[32] = {0x7a};
  static constexpr Digest genesis = {1, 2, 3};
  static constexpr std::uint8_t members[MEMBERS_BYTES] = {};

  const std::uint32_t depth_;
  UncountedHasher hasher_;
  Gateway gateway_;
  std::vector<Upstream> upstreams_;
  std::vector<Client> clients_;
  std::vector<std::uint32_t> numbers_;
  std::vector<std::uint8_t> slab_;
  std::vector<Gateway::ClientWrite> writes_;
  std::vector<std::uint8_t> answers_;
  Digest digest_{};
};

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int i, std::uint32_t most) {
    const unsigned long value = argc == 4 || argc == 5 ? std::strtoul(argv[i], nullptr, 10) : 0;
    if (value < 1 || value > most) {
      std::fputs("usage: engine_bench CLIENTS DEPTH ROUNDS [STAGE]\n", stderr);
      std::exit(2);
    }
    return static_cast<std::uint32_t>(value);
  };
  const std::uint32_t clients = number(1, 255);
  const std::uint32_t depth = number(2, 256);
  const std::uint32_t rounds = number(3, 1'000'000);
  require(clients * depth <= MAX_BATCH_RECORDS, "more requests than fit into one batch");
  if (argc == 5) chosen_stage = argv[4];
  Plant plant(clients, depth);
  for (std::uint32_t now = 1; now <= rounds; now++) plant.round(now);
  std::printf("%" PRIu32 " ", clients * depth * rounds);
  for (const std::uint8_t byte : plant.digest()) std::printf("%02x", byte);
  std::printf("\n");
}
