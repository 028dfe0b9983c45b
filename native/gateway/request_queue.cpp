#include "gateway/request_queue.hpp"

namespace tmr {

RequestQueue::RequestQueue(std::uint32_t capacity, std::uint32_t max_clients)
    : pool_(capacity), clients_(max_clients) {}

std::uint32_t RequestQueue::make(std::uint32_t client, std::uint32_t client_slot, const std::uint8_t* record,
                                 Bytes blob) {
  const std::uint32_t entry = pool_.acquire();
  if (entry == none) return none;
  PendingRequest& request = pool_[entry];
  std::memcpy(request.record, record, REQUEST_BYTES);
  request.blob.assign(blob.begin(), blob.end());
  request.client = client;
  request.client_slot = client_slot;
  request.client_before = none;
  Client& waiting = clients_[client_slot];
  request.client_after = waiting.first;
  if (request.client_after != none) pool_[request.client_after].client_before = entry;
  waiting.first = entry;
  waiting.count++;
  return entry;
}

bool RequestQueue::push_back(std::uint32_t client, std::uint32_t client_slot, const std::uint8_t* record, Bytes blob) {
  const std::uint32_t entry = make(client, client_slot, record, blob);
  if (entry == none) return false;
  pool_[entry].before = last_;
  pool_[entry].after = none;
  (last_ == none ? first_ : pool_[last_].after) = entry;
  last_ = entry;
  return true;
}

bool RequestQueue::push_front(std::uint32_t client, std::uint32_t client_slot, const std::uint8_t* record, Bytes blob) {
  const std::uint32_t entry = make(client, client_slot, record, blob);
  if (entry == none) return false;
  pool_[entry].before = none;
  pool_[entry].after = first_;
  (first_ == none ? last_ : pool_[first_].before) = entry;
  first_ = entry;
  return true;
}

void RequestQueue::drop(std::uint32_t entry) noexcept {
  const PendingRequest& request = pool_[entry];
  (request.before == none ? first_ : pool_[request.before].after) = request.after;
  (request.after == none ? last_ : pool_[request.after].before) = request.before;
  Client& waiting = clients_[request.client_slot];
  (request.client_before == none ? waiting.first : pool_[request.client_before].client_after) = request.client_after;
  waiting.count--;
  if (request.client_after != none) pool_[request.client_after].client_before = request.client_before;
  pool_.release(entry);
}

void RequestQueue::remove_client(std::uint32_t client_slot) noexcept {
  while (clients_[client_slot].first != none) drop(clients_[client_slot].first);
}

RequestQueue::Fit RequestQueue::fit(std::uint32_t max_count, std::size_t max_blob_bytes) const noexcept {
  Fit fit;
  for (std::uint32_t entry = first_; entry != none && fit.count < max_count; entry = pool_[entry].after) {
    const std::size_t blob_bytes = pool_[entry].blob.size();
    if (fit.blob_bytes + blob_bytes > max_blob_bytes) break;
    fit.blob_bytes += blob_bytes;
    fit.count++;
  }
  return fit;
}

}  // namespace tmr
