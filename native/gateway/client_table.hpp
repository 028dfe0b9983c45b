// The clients of one TMR server: who is there, and what has been answered to whom and not been taken yet.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/block.hpp"
#include "base/bytes.hpp"
#include "wire/records.hpp"

namespace tmr {

/// A client is known by a number that holds its slot and the slot's generation, so that an answer to one that has left
/// never reaches whoever sits in its place. A slot is used again only after all others that are free.
class ClientTable {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  ClientTable(std::uint32_t max_clients, std::size_t max_output_bytes);
  ClientTable(const ClientTable&) = delete;
  ClientTable& operator=(const ClientTable&) = delete;
  ClientTable(ClientTable&&) = delete;
  ClientTable& operator=(ClientTable&&) = delete;
  ~ClientTable() = default;

  /// The new client's number, or `none` when all slots are taken.
  std::uint32_t add();
  /// Forgets the client and its answers; an unknown number is passed over.
  void remove(std::uint32_t client) noexcept;
  /// The client's slot, or `none` when it has left.
  std::uint32_t slot_of(std::uint32_t client) const noexcept;
  /// Drops the client's answers and takes no more; its owner learns it through dirty().
  void close(std::uint32_t client) noexcept;
  /// True for a client that was closed or has left.
  bool is_closed(std::uint32_t client) const noexcept;

  /// Queues a result record with its blob. A client whose answers would then be too many bytes is closed. False: the
  /// client has left or is closed.
  bool queue(std::uint32_t client, const std::uint8_t* record, Bytes blob);
  /// One results packet with as many answers as fit, or nothing. Valid until the next call.
  Bytes take_packet(std::uint32_t client);
  /// What the next packet has at most; zero: nothing waits.
  std::size_t next_packet_bytes(std::uint32_t client) const noexcept;
  /// While a client is held its answers wait and it is not named by dirty() for them.
  void hold(std::uint32_t client, bool held) noexcept;
  /// The clients that got an answer or were closed since they were last named here; how many were written to `out`.
  std::size_t dirty(std::span<std::uint32_t> out) noexcept;
  /// To be named by the next dirty() too: it was not served.
  void name_again(std::uint32_t client) noexcept;

  /// Where the client connects from; zeros until it is said. An unknown number is passed over.
  using Address = std::array<std::uint8_t, ADDRESS_BYTES>;
  void set_address(std::uint32_t client, const Address& address) noexcept;
  Address address_of(std::uint32_t client) const noexcept;

  /// Whether the client in this slot has spoken for a session.
  void note_session(std::uint32_t slot) noexcept { slots_[slot].has_session = true; }
  bool has_session(std::uint32_t slot) const noexcept { return slots_[slot].has_session; }

  std::uint32_t capacity() const noexcept { return static_cast<std::uint32_t>(slots_.size()); }

 private:
  struct Slot {
    std::uint32_t generation = 0;
    bool taken = false;
    bool closed = false;
    bool held = false;
    /// Its number stands in the ring of dirty slots.
    bool listed = false;
    bool closing_untold = false;
    bool has_session = false;
    Address address = {};
    /// Records, each followed by its blob; what is before `head` has been taken.
    ByteVector output;
    std::size_t head = 0;
  };

  std::uint32_t number_of(std::uint32_t slot) const noexcept;
  void list(std::uint32_t slot) noexcept;
  void drop_output(Slot& slot) noexcept;

  std::vector<Slot> slots_;
  const std::size_t max_output_bytes_;
  std::uint32_t slot_bits_ = 0;
  std::uint32_t generation_mask_ = 0;
  /// Rings: free slots, and slots to be named by dirty().
  std::vector<std::uint32_t> free_;
  std::size_t free_head_ = 0;
  std::size_t free_count_ = 0;
  std::vector<std::uint32_t> dirty_;
  std::size_t dirty_head_ = 0;
  std::size_t dirty_count_ = 0;
  std::vector<std::uint8_t> packet_;
};

}  // namespace tmr
