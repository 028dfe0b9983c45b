// The storyline of one active TMR server without sockets or encryption: client packet -> batch -> ballots -> answers.
//
// Deterministic: time comes in as an argument, nothing is random, the same calls give the same bytes. What each call
// means to its caller stands in ts/engine/types.ts (Ordering, Orderer); here stands what is not obvious from there.
// Upstreams are numbered 1 to 3. Arguments of the wrong range are programmer's errors: the addon has checked them.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/hasher.hpp"
#include "base/wipe.hpp"
#include "gateway/batch_ring.hpp"
#include "gateway/client_table.hpp"
#include "gateway/event_queue.hpp"
#include "gateway/options.hpp"
#include "gateway/request_queue.hpp"
#include "wire/kinds.hpp"
#include "wire/message.hpp"

namespace tmr {

struct OrderingCounters {
  std::uint64_t requests = 0;
  std::uint64_t answers = 0;
  std::uint64_t batches = 0;
  std::uint64_t busy = 0;
  std::uint64_t malformed_packets = 0;
  std::uint64_t unknown_kinds = 0;
  std::uint64_t stale_votes = 0;
  std::uint64_t malformed_votes = 0;
};

/// An append message in two parts, to be written one after the other.
struct AppendParts {
  std::array<std::uint8_t, MESSAGE_HEADER_BYTES> header;
  /// Valid until the next call that is not const.
  Bytes batch;
};

/// A request that the TMR server answers itself.
struct LocalRequest {
  std::uint32_t client;
  std::array<std::uint8_t, REQUEST_BYTES> record;
};

class Orderer {
 public:
  /// The hasher must outlive the orderer.
  Orderer(const OrderingOptions& options, Hasher& hasher);
  Orderer(const Orderer&) = delete;
  Orderer& operator=(const Orderer&) = delete;
  Orderer(Orderer&&) = delete;
  Orderer& operator=(Orderer&&) = delete;
  ~Orderer() = default;

  // The epoch and who takes part in it (orderer.cpp).
  void activate(std::uint64_t epoch, std::uint64_t position, Bytes digest, Bytes members);
  void deactivate();
  bool stream(int upstream, std::uint64_t after);
  void unstream(int upstream);
  void resend(int upstream, std::uint64_t after);

  // Batches (orderer_batches.cpp).
  bool propose(Bytes record, Bytes blob);
  std::uint32_t next_batch(std::uint64_t log_ms, std::uint64_t calendar_ms);
  /// Position of the next append for this upstream, zero when there is none.
  std::uint64_t waiting_append(int upstream) const noexcept;
  std::optional<AppendParts> take_append(int upstream);

  // Clients (orderer_clients.cpp).
  /// For sessions that are opened from now on.
  void set_session_timeouts(const SessionTimeouts& timeouts) noexcept { session_timeouts_ = timeouts; }
  std::uint32_t add_client() { return clients_.add(); }
  void remove_client(std::uint32_t client);
  Intake client_message(std::uint32_t client, Bytes message);
  void answer(std::uint32_t client, const std::uint8_t* record, Bytes blob);
  /// Without a blob the answer says in one sentence what the status means; not-active then has none.
  std::uint32_t refuse_pending(StatusCode status, std::optional<Bytes> blob);
  std::uint32_t refuse_all(StatusCode status, std::optional<Bytes> blob);
  std::optional<LocalRequest> take_local_request();
  Bytes take_client_message(std::uint32_t client) { return clients_.take_packet(client); }

  // Votes (orderer_votes.cpp).
  Intake vote(int upstream, Bytes message);

  std::optional<Event> take_event();
  ClientTable& clients() noexcept { return clients_; }
  const ClientTable& clients() const noexcept { return clients_; }
  std::uint8_t reached() const noexcept { return reached_; }
  std::uint64_t position() const noexcept { return position_; }
  std::uint64_t carried() const noexcept { return carried_; }
  const Digest& carried_digest() const noexcept { return carried_digest_; }
  std::uint32_t pending() const noexcept { return queue_.size(); }
  /// Requests of the client in this slot that wait for a batch.
  std::uint32_t pending_of(std::uint32_t client_slot) const noexcept { return queue_.size_of(client_slot); }
  std::uint64_t acknowledged(int upstream) const noexcept { return links_[upstream - 1].acknowledged; }
  std::uint64_t clock_ms(int upstream) const noexcept { return links_[upstream - 1].clock_ms; }
  /// Empty: not retained.
  Bytes batch_at(std::uint64_t position) const noexcept;
  const OrderingCounters& counters() const noexcept { return counters_; }

 private:
  /// What is known about one upstream in this epoch.
  struct Link {
    std::uint64_t acknowledged = 0;
    std::uint64_t clock_ms = 0;
    /// Position of the next batch to be taken for it.
    std::uint64_t cursor = 0;
    /// Votes are awaited for positions above this.
    std::uint64_t awaited_after = 0;
  };
  struct Proposal {
    std::array<std::uint8_t, REQUEST_BYTES> record;
    std::vector<std::uint8_t> blob;
  };
  using MarkProof = std::array<std::uint8_t, mark_proof_bytes>;

  static constexpr std::uint8_t bit_of(int upstream) noexcept { return static_cast<std::uint8_t>(1 << (upstream - 1)); }
  bool streams(int upstream) const noexcept { return (reached_ & bit_of(upstream)) != 0; }
  void forget_ballots(int upstream) noexcept;
  void note_support(const BatchSlot& slot) noexcept;
  void return_to_pending(const BatchSlot& slot, std::size_t index);

  void make_room();
  void fill_batch(BatchSlot& slot, std::uint32_t count, std::size_t blob_bytes, std::uint32_t proposals);
  void seal_batch(BatchSlot& slot, std::uint64_t log_ms, std::uint64_t calendar_ms, std::size_t blob_bytes);

  void accept_request(std::uint32_t client, std::uint8_t* record, Bytes blobs);
  void order_request(std::uint32_t client, std::uint8_t* record, Bytes blob);
  bool has_genuine_mark(const std::uint8_t* record);
  void note_mark(std::uint64_t mark);
  MarkProof mark_proof(std::uint64_t position);
  void refuse(std::uint32_t client, const std::uint8_t* request, StatusCode status, Bytes blob);

  bool is_current(int upstream, const VoteView& vote) const noexcept;
  Ballots ballots_of(const BatchSlot& slot) const noexcept;
  Intake carry_alone(BatchSlot& slot, const VoteView& vote);
  void note_carried(BatchSlot& slot);
  void settle();
  void carry(BatchSlot& slot, const VoteOutcome* outcome);
  void deliver(const BatchSlot& slot, std::size_t index, const VoteView& winner);
  std::uint8_t odd_ballots(const BatchSlot& slot, const VoteOutcome& outcome) const noexcept;
  void remember(BatchSlot& slot, const VoteOutcome& outcome);
  void condense(std::uint64_t position);
  void compare_late(int upstream, const VoteView& vote, BatchSlot& slot);
  void report_diverged(int upstream, std::uint64_t position);
  void report_split(BatchSlot& slot);

  const OrderingLimits limits_;
  SessionTimeouts session_timeouts_;
  /// One vote carries: there is one license server.
  const bool alone_;
  Hasher& hasher_;
  SecretBytes<digest_bytes> mac_key_;
  SecretBytes<digest_bytes> mark_key_;

  ClientTable clients_;
  RequestQueue queue_;
  std::deque<LocalRequest> local_requests_;
  std::deque<Proposal> proposals_;
  /// Proposals waiting, in flight, or carried and not reported to the owner yet.
  std::size_t open_proposals_ = 0;
  BatchRing ring_;
  EventQueue events_;
  OrderingCounters counters_;

  bool active_ = false;
  std::uint64_t epoch_ = 0;
  std::uint64_t activation_ = 0;
  std::array<std::uint8_t, MEMBERS_BYTES> members_{};
  std::uint8_t reached_ = 0;
  std::array<Link, 3> links_{};

  std::uint64_t position_ = 0;
  Digest position_digest_{};
  /// Batches from here on are in memory, and their bytes.
  std::uint64_t first_kept_ = 1;
  std::size_t kept_bytes_ = 0;
  std::uint64_t carried_ = 0;
  Digest carried_digest_{};
  /// The highest position that two upstreams support: everything below it is carried too.
  std::uint64_t supported_ = 0;
  /// The highest mark with a genuine proof, and the highest reported as missing.
  std::uint64_t highest_mark_ = 0;
  std::uint64_t highest_missing_ = 0;

  std::array<Verdict, MAX_BATCH_RECORDS> verdicts_{};
  std::array<std::uint8_t, MAX_BATCH_RECORDS> agree_{};
};

}  // namespace tmr
