// Client requests that wait for a batch: first in, first out over all clients, and removable per client.
#pragma once

#include <cstdint>
#include <vector>

#include "base/block.hpp"
#include "base/bytes.hpp"
#include "base/slot_pool.hpp"
#include "wire/records.hpp"

namespace tmr {

/// One waiting request.
struct PendingRequest {
  std::uint8_t record[REQUEST_BYTES];
  std::vector<std::uint8_t> blob;
  /// The client's number and slot.
  std::uint32_t client = 0;
  std::uint32_t client_slot = 0;

  // The names of a session fit; whoever sends more must not make every place in the queue that large for good.
  void clear() noexcept { clear_and_keep(blob, 256); }

 private:
  friend class RequestQueue;
  std::uint32_t before = 0;
  std::uint32_t after = 0;
  std::uint32_t client_before = 0;
  std::uint32_t client_after = 0;
};

class RequestQueue {
 public:
  RequestQueue(std::uint32_t capacity, std::uint32_t max_clients);

  /// False: full.
  bool push_back(std::uint32_t client, std::uint32_t client_slot, const std::uint8_t* record, Bytes blob);
  /// For requests that were in a batch already and wait again, before all others.
  bool push_front(std::uint32_t client, std::uint32_t client_slot, const std::uint8_t* record, Bytes blob);
  bool empty() const noexcept { return first_ == none; }
  std::uint32_t size() const noexcept { return pool_.in_use(); }
  std::uint32_t size_of(std::uint32_t client_slot) const noexcept { return clients_[client_slot].count; }
  const PendingRequest& front() const noexcept { return pool_[first_]; }
  void pop_front() noexcept { drop(first_); }
  void remove_client(std::uint32_t client_slot) noexcept;

  /// How many requests from the front on fit into a batch with that much room, and the bytes of their blobs.
  struct Fit {
    std::uint32_t count = 0;
    std::size_t blob_bytes = 0;
  };
  Fit fit(std::uint32_t max_count, std::size_t max_blob_bytes) const noexcept;

 private:
  static constexpr std::uint32_t none = SlotPool<PendingRequest>::none;

  std::uint32_t make(std::uint32_t client, std::uint32_t client_slot, const std::uint8_t* record, Bytes blob);
  void drop(std::uint32_t entry) noexcept;

  struct Client {
    std::uint32_t first = none;
    std::uint32_t count = 0;
  };

  SlotPool<PendingRequest> pool_;
  /// By client slot.
  std::vector<Client> clients_;
  std::uint32_t first_ = none;
  std::uint32_t last_ = none;
};

}  // namespace tmr
