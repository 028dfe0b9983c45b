// Memory for buffers that come and go. A large block comes straight from the system and goes back to it, so that the
// C library's heap gets no holes that nothing else fits into: after many large answers those were most of a process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace tmr {

/// Null when there is no memory. The content is undefined.
void* allocate_block(std::size_t size) noexcept;
/// `size` as it was asked for. Null is passed over.
void free_block(void* block, std::size_t size) noexcept;

/// Gives blocks to standard containers. Without memory the process ends, as it does with the standard allocator.
template <class T>
struct BlockAllocator {
  using value_type = T;
  BlockAllocator() noexcept = default;
  template <class Other>
  BlockAllocator(const BlockAllocator<Other>&) noexcept {}

  T* allocate(std::size_t count) {
    void* block = allocate_block(count * sizeof(T));
    if (block == nullptr) std::abort();
    return static_cast<T*>(block);
  }
  void deallocate(T* block, std::size_t count) noexcept { free_block(block, count * sizeof(T)); }
  friend bool operator==(const BlockAllocator&, const BlockAllocator&) noexcept { return true; }
};

using ByteVector = std::vector<std::uint8_t, BlockAllocator<std::uint8_t>>;

/// Empties a vector and gives back memory above `keep` elements. (Without exceptions libstdc++'s shrink_to_fit does
/// nothing.)
template <class Vector>
void clear_and_keep(Vector& vector, std::size_t keep) noexcept {
  vector.clear();
  if (vector.capacity() > keep) Vector().swap(vector);
}

}  // namespace tmr
