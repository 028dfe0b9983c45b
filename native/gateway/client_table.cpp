#include "gateway/client_table.hpp"

#include <algorithm>
#include <bit>

#include "wire/message.hpp"
#include "wire/records.hpp"

namespace tmr {

namespace {
/// Numbers stay below 2^31: small integers to JavaScript, and never `none`.
constexpr std::uint32_t number_bits = 31;
/// An output queue gives back memory above this when it is empty.
constexpr std::size_t kept_output_bytes = 4096;
}  // namespace

ClientTable::ClientTable(std::uint32_t max_clients, std::size_t max_output_bytes)
    : slots_(max_clients), max_output_bytes_(max_output_bytes), free_(max_clients), dirty_(max_clients) {
  assert(max_clients > 0);
  slot_bits_ = static_cast<std::uint32_t>(std::bit_width(max_clients - 1));
  generation_mask_ = (1u << (number_bits - slot_bits_)) - 1;
  for (std::uint32_t slot = 0; slot < max_clients; slot++) free_[slot] = slot;
  free_count_ = max_clients;
}

std::uint32_t ClientTable::number_of(std::uint32_t slot) const noexcept {
  return slots_[slot].generation << slot_bits_ | slot;
}

std::uint32_t ClientTable::add() {
  if (free_count_ == 0) return none;
  const std::uint32_t slot = free_[free_head_];
  free_head_ = (free_head_ + 1) % free_.size();
  free_count_--;
  slots_[slot].taken = true;
  return number_of(slot);
}

void ClientTable::remove(std::uint32_t client) noexcept {
  const std::uint32_t number = slot_of(client);
  if (number == none) return;
  Slot& slot = slots_[number];
  drop_output(slot);
  slot.taken = false;
  slot.closed = false;
  slot.held = false;
  slot.closing_untold = false;
  slot.has_session = false;
  slot.address = {};
  slot.generation = (slot.generation + 1) & generation_mask_;
  free_[(free_head_ + free_count_) % free_.size()] = number;
  free_count_++;
}

std::uint32_t ClientTable::slot_of(std::uint32_t client) const noexcept {
  const std::uint32_t slot = client & ((1u << slot_bits_) - 1);
  if (slot >= slots_.size() || !slots_[slot].taken || number_of(slot) != client) return none;
  return slot;
}

void ClientTable::close(std::uint32_t client) noexcept {
  const std::uint32_t number = slot_of(client);
  if (number == none || slots_[number].closed) return;
  Slot& slot = slots_[number];
  drop_output(slot);
  slot.closed = true;
  slot.closing_untold = true;
  list(number);
}

void ClientTable::set_address(std::uint32_t client, const Address& address) noexcept {
  const std::uint32_t slot = slot_of(client);
  if (slot != none) slots_[slot].address = address;
}

ClientTable::Address ClientTable::address_of(std::uint32_t client) const noexcept {
  const std::uint32_t slot = slot_of(client);
  return slot == none ? Address{} : slots_[slot].address;
}

bool ClientTable::is_closed(std::uint32_t client) const noexcept {
  const std::uint32_t slot = slot_of(client);
  return slot == none || slots_[slot].closed;
}

bool ClientTable::queue(std::uint32_t client, const std::uint8_t* record, Bytes blob) {
  if (is_closed(client)) return false;
  const std::uint32_t number = slot_of(client);
  Slot& slot = slots_[number];
  const std::size_t waiting = slot.output.size() - slot.head;
  if (waiting + RESULT_BYTES + blob.size() > max_output_bytes_) {
    close(client);
    return false;
  }
  if (slot.head > waiting) {
    // More has been taken than waits: move what waits to the front instead of growing.
    slot.output.erase(slot.output.begin(), slot.output.begin() + static_cast<std::ptrdiff_t>(slot.head));
    slot.head = 0;
  }
  const std::size_t at = slot.output.size();
  slot.output.resize(at + RESULT_BYTES + blob.size());
  copy(MutableBytes(slot.output).subspan(at), {record, RESULT_BYTES});
  copy(MutableBytes(slot.output).subspan(at + RESULT_BYTES), blob);
  set_blob_range(slot.output.data() + at, 0, blob.size());
  list(number);
  return true;
}

Bytes ClientTable::take_packet(std::uint32_t client) {
  const std::uint32_t number = slot_of(client);
  if (number == none) return {};
  Slot& slot = slots_[number];
  const Bytes waiting = Bytes(slot.output).subspan(slot.head);
  if (waiting.empty()) return {};

  // As many whole answers as fit: a first one always does, blobs are shorter than a packet.
  std::size_t end = 0;
  std::uint32_t count = 0;
  while (end < waiting.size()) {
    const std::size_t next = end + RESULT_BYTES + load_u32(waiting.data() + end + ResultField::blobLength);
    if (MESSAGE_HEADER_BYTES + next > MAX_PACKET_BYTES) break;
    end = next;
    count++;
  }
  assert(count > 0);

  const std::size_t blob_bytes = end - count * RESULT_BYTES;
  packet_.resize(MESSAGE_HEADER_BYTES + end);
  write_message_header(packet_, MessageType::results, end, count, blob_bytes);
  const MutableBytes body = MutableBytes(packet_).subspan(MESSAGE_HEADER_BYTES);
  const MutableBytes blobs = body.subspan(count * RESULT_BYTES);
  ByteWriter records(body.first(count * RESULT_BYTES));
  std::size_t blob_at = 0;
  for (std::size_t at = 0; at < end;) {
    const std::size_t length = load_u32(waiting.data() + at + ResultField::blobLength);
    const MutableBytes record = records.take(RESULT_BYTES);
    copy(record, waiting.subspan(at, RESULT_BYTES));
    set_blob_range(record.data(), blob_at, length);
    copy(blobs.subspan(blob_at), waiting.subspan(at + RESULT_BYTES, length));
    blob_at += length;
    at += RESULT_BYTES + length;
  }

  slot.head += end;
  if (slot.head == slot.output.size()) {
    drop_output(slot);
  } else {
    list(number);
  }
  return packet_;
}

std::size_t ClientTable::dirty(std::span<std::uint32_t> out) noexcept {
  std::size_t count = 0;
  while (dirty_count_ > 0 && count < out.size()) {
    const std::uint32_t number = dirty_[dirty_head_];
    dirty_head_ = (dirty_head_ + 1) % dirty_.size();
    dirty_count_--;
    Slot& slot = slots_[number];
    slot.listed = false;
    // The answers may have been taken already, or the client may have left or be held.
    if (slot.taken && ((slot.head < slot.output.size() && !slot.held) || slot.closing_untold)) {
      slot.closing_untold = false;
      out[count++] = number_of(number);
    }
  }
  return count;
}

std::size_t ClientTable::next_packet_bytes(std::uint32_t client) const noexcept {
  const std::uint32_t number = slot_of(client);
  if (number == none) return 0;
  const std::size_t waiting = slots_[number].output.size() - slots_[number].head;
  return waiting == 0 ? 0 : std::min(MESSAGE_HEADER_BYTES + waiting, MAX_PACKET_BYTES);
}

void ClientTable::hold(std::uint32_t client, bool held) noexcept {
  const std::uint32_t number = slot_of(client);
  if (number == none) return;
  slots_[number].held = held;
  if (!held) list(number);
}

void ClientTable::name_again(std::uint32_t client) noexcept {
  const std::uint32_t number = slot_of(client);
  if (number != none) list(number);
}

void ClientTable::list(std::uint32_t slot) noexcept {
  if (slots_[slot].listed) return;
  slots_[slot].listed = true;
  dirty_[(dirty_head_ + dirty_count_) % dirty_.size()] = slot;
  dirty_count_++;
}

void ClientTable::drop_output(Slot& slot) noexcept {
  slot.head = 0;
  clear_and_keep(slot.output, kept_output_bytes);
}

}  // namespace tmr
