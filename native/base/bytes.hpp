// Views on bytes and the integers in them. Nothing here owns memory.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tmr {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

/// Integers on the wire stay below this, so that JavaScript holds them exactly.
constexpr std::uint64_t max_wire_integer = (std::uint64_t{1} << 53) - 1;

constexpr std::uint16_t load_u16_be(const std::uint8_t* at) noexcept {
  return static_cast<std::uint16_t>(at[0] << 8 | at[1]);
}

constexpr void store_u16_be(std::uint8_t* at, std::uint16_t value) noexcept {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

constexpr std::uint16_t load_u16(const std::uint8_t* at) noexcept {
  return static_cast<std::uint16_t>(at[0] | at[1] << 8);
}

constexpr std::uint32_t load_u32(const std::uint8_t* at) noexcept {
  return std::uint32_t{at[0]} | std::uint32_t{at[1]} << 8 | std::uint32_t{at[2]} << 16 | std::uint32_t{at[3]} << 24;
}

constexpr std::uint64_t load_u64(const std::uint8_t* at) noexcept {
  return std::uint64_t{load_u32(at)} | std::uint64_t{load_u32(at + 4)} << 32;
}

constexpr void store_u16(std::uint8_t* at, std::uint16_t value) noexcept {
  at[0] = static_cast<std::uint8_t>(value);
  at[1] = static_cast<std::uint8_t>(value >> 8);
}

constexpr void store_u32(std::uint8_t* at, std::uint32_t value) noexcept {
  for (int i = 0; i < 4; i++) at[i] = static_cast<std::uint8_t>(value >> 8 * i);
}

constexpr void store_u64(std::uint8_t* at, std::uint64_t value) noexcept {
  for (int i = 0; i < 8; i++) at[i] = static_cast<std::uint8_t>(value >> 8 * i);
}

constexpr void store_u64_be(std::uint8_t* at, std::uint64_t value) noexcept {
  for (int i = 0; i < 8; i++) at[7 - i] = static_cast<std::uint8_t>(value >> 8 * i);
}

/// True when every byte is zero: reserved fields must be. Not for secrets.
constexpr bool is_zero(Bytes bytes) noexcept {
  // By words: where the size is known, as in every record, these are a few loads and no loop.
  std::uint64_t any = 0;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) any |= load_u64(bytes.data() + at);
  for (; at < bytes.size(); at++) any |= bytes[at];
  return any == 0;
}

/// Compares public bytes; for secrets and MACs use equal_secret.
inline bool equal(Bytes a, Bytes b) noexcept {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/// Compares without telling by its duration where the first difference is.
constexpr bool equal_secret(Bytes a, Bytes b) noexcept {
  if (a.size() != b.size()) return false;
  std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); i++) difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

/// Copies all of `from` to the begin of `to`, which must have the room.
inline void copy(MutableBytes to, Bytes from) noexcept {
  assert(from.size() <= to.size());
  if (!from.empty()) std::memmove(to.data(), from.data(), from.size());
}

/// Reads little-endian fields one after another. A read past the end gives zero and sticks: check `ok()` at the end.
class ByteReader {
 public:
  explicit constexpr ByteReader(Bytes bytes) noexcept : rest_(bytes) {}

  constexpr std::uint8_t u8() noexcept {
    const Bytes at = take(1);
    return at.empty() ? std::uint8_t{0} : at[0];
  }
  constexpr std::uint16_t u16() noexcept {
    const Bytes at = take(2);
    return at.empty() ? std::uint16_t{0} : load_u16(at.data());
  }
  constexpr std::uint32_t u32() noexcept {
    const Bytes at = take(4);
    return at.empty() ? 0 : load_u32(at.data());
  }
  constexpr std::uint64_t u64() noexcept {
    const Bytes at = take(8);
    return at.empty() ? 0 : load_u64(at.data());
  }
  /// The next `count` bytes, or an empty view when there are not as many.
  constexpr Bytes take(std::size_t count) noexcept {
    if (!ok_ || count > rest_.size()) {
      ok_ = false;
      return {};
    }
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  constexpr std::size_t left() const noexcept { return rest_.size(); }
  constexpr bool ok() const noexcept { return ok_; }

 private:
  Bytes rest_;
  bool ok_ = true;
};

/// Writes little-endian fields one after another into memory of known size. Too little room is a programmer's error.
class ByteWriter {
 public:
  explicit constexpr ByteWriter(MutableBytes bytes) noexcept : rest_(bytes) {}

  constexpr void u8(std::uint8_t value) noexcept { take(1)[0] = value; }
  constexpr void u16(std::uint16_t value) noexcept { store_u16(take(2).data(), value); }
  constexpr void u32(std::uint32_t value) noexcept { store_u32(take(4).data(), value); }
  constexpr void u64(std::uint64_t value) noexcept { store_u64(take(8).data(), value); }
  void bytes(Bytes value) noexcept { copy(take(value.size()), value); }
  void zeros(std::size_t count) noexcept {
    const MutableBytes at = take(count);
    if (!at.empty()) std::memset(at.data(), 0, at.size());
  }
  constexpr MutableBytes take(std::size_t count) noexcept {
    assert(count <= rest_.size());
    const MutableBytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  constexpr std::size_t left() const noexcept { return rest_.size(); }

 private:
  MutableBytes rest_;
};

}  // namespace tmr
