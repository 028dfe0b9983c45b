// A fixed number of slots, allocated at start; full is an outcome, not growth.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace tmr {

/// Hands out slots of T by number. The free slot that was given back last is handed out first. T is default
/// constructed once and has `clear()`, which is called when a slot comes back: nothing of the old holder stays.
template <class T>
class SlotPool {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  explicit SlotPool(std::uint32_t capacity)
      : slots_(new T[capacity]), next_free_(new std::uint32_t[capacity]), capacity_(capacity) {
    assert(capacity < taken);
    for (std::uint32_t i = 0; i < capacity; i++) next_free_[i] = i + 1 < capacity ? i + 1 : none;
    first_free_ = capacity > 0 ? 0 : none;
  }
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;
  SlotPool(SlotPool&&) = delete;
  SlotPool& operator=(SlotPool&&) = delete;
  ~SlotPool() = default;

  /// The number of a free slot that is now taken, or `none`.
  std::uint32_t acquire() noexcept {
    const std::uint32_t slot = first_free_;
    if (slot == none) return none;
    first_free_ = next_free_[slot];
    next_free_[slot] = taken;
    in_use_++;
    return slot;
  }

  void release(std::uint32_t slot) noexcept {
    assert(is_taken(slot));
    slots_[slot].clear();
    next_free_[slot] = first_free_;
    first_free_ = slot;
    in_use_--;
  }

  bool is_taken(std::uint32_t slot) const noexcept { return slot < capacity_ && next_free_[slot] == taken; }

  T& operator[](std::uint32_t slot) noexcept {
    assert(is_taken(slot));
    return slots_[slot];
  }
  const T& operator[](std::uint32_t slot) const noexcept {
    assert(is_taken(slot));
    return slots_[slot];
  }

  std::uint32_t capacity() const noexcept { return capacity_; }
  std::uint32_t in_use() const noexcept { return in_use_; }

 private:
  static constexpr std::uint32_t taken = UINT32_MAX - 1;

  std::unique_ptr<T[]> slots_;
  std::unique_ptr<std::uint32_t[]> next_free_;
  const std::uint32_t capacity_;
  std::uint32_t first_free_ = none;
  std::uint32_t in_use_ = 0;
};

}  // namespace tmr
