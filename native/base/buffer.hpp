// A byte buffer that grows as bytes arrive and never beyond its limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include "base/block.hpp"
#include "base/bytes.hpp"
#include "base/status.hpp"

namespace tmr {

/// Collects bytes to be written or to be completed. Memory is at most twice what was put in, and never above the
/// limit. Neither copies nor moves; views are valid until the next call that is not const.
class BoundedBuffer {
 public:
  explicit BoundedBuffer(std::size_t limit) noexcept : limit_(limit) {}
  ~BoundedBuffer() { free_block(memory_, capacity_); }
  BoundedBuffer(const BoundedBuffer&) = delete;
  BoundedBuffer& operator=(const BoundedBuffer&) = delete;
  BoundedBuffer(BoundedBuffer&&) = delete;
  BoundedBuffer& operator=(BoundedBuffer&&) = delete;

  /// Makes room for `count` more bytes and gives it to be filled; `no_room` beyond the limit.
  Status extend(std::size_t count, MutableBytes& room) noexcept;
  Status append(Bytes bytes) noexcept;
  /// Drops the newest bytes down to `size`.
  void truncate(std::size_t size) noexcept {
    assert(size <= size_);
    size_ = size;
  }
  /// Forgets the content and gives back memory above `keep` bytes.
  void clear(std::size_t keep = 4096) noexcept;

  MutableBytes bytes() noexcept { return {memory_, size_}; }
  Bytes bytes() const noexcept { return {memory_, size_}; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  std::size_t limit() const noexcept { return limit_; }
  std::size_t capacity() const noexcept { return capacity_; }

 private:
  std::uint8_t* memory_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  const std::size_t limit_;
};

/// Where sealed frames and other output are collected.
using OutputBuffer = BoundedBuffer;

}  // namespace tmr
