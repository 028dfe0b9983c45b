#include "base/block.hpp"

#include <new>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#endif

namespace tmr {

#if defined(__unix__) || defined(__APPLE__)

namespace {
/// Smaller blocks are asked for too often, and leave holes that others do fit into.
constexpr std::size_t least_mapped_bytes = 128 * 1024;
}  // namespace

void* allocate_block(std::size_t size) noexcept {
  if (size < least_mapped_bytes) return ::operator new(size, std::nothrow);
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return block == MAP_FAILED ? nullptr : block;
}

void free_block(void* block, std::size_t size) noexcept {
  if (block == nullptr || size < least_mapped_bytes) return ::operator delete(block);
  munmap(block, size);
}

#else

// Windows' own heap maps large blocks by itself.
void* allocate_block(std::size_t size) noexcept { return ::operator new(size, std::nothrow); }
void free_block(void* block, std::size_t) noexcept { ::operator delete(block); }

#endif

}  // namespace tmr
