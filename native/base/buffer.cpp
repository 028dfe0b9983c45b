#include "base/buffer.hpp"

#include <algorithm>

namespace tmr {

namespace {
constexpr std::size_t first_capacity = 256;
}

Status BoundedBuffer::extend(std::size_t count, MutableBytes& room) noexcept {
  if (count > limit_ - size_) return Status::no_room;
  const std::size_t needed = size_ + count;
  if (needed > capacity_) {
    const std::size_t wanted = std::min(limit_, std::max({needed, 2 * capacity_, first_capacity}));
    std::uint8_t* larger = static_cast<std::uint8_t*>(allocate_block(wanted));
    if (larger == nullptr) return Status::no_room;
    copy({larger, wanted}, bytes());
    free_block(memory_, capacity_);
    memory_ = larger;
    capacity_ = wanted;
  }
  room = {memory_ + size_, count};
  size_ = needed;
  return Status::ok;
}

Status BoundedBuffer::append(Bytes bytes) noexcept {
  MutableBytes room;
  const Status status = extend(bytes.size(), room);
  if (status == Status::ok) copy(room, bytes);
  return status;
}

void BoundedBuffer::clear(std::size_t keep) noexcept {
  size_ = 0;
  if (capacity_ > keep) {
    free_block(memory_, capacity_);
    memory_ = nullptr;
    capacity_ = 0;
  }
}

}  // namespace tmr
