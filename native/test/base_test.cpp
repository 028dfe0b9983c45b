#include <cstdint>
#include <cstring>
#include <string>

#include "base/block.hpp"
#include "base/buffer.hpp"
#include "base/bytes.hpp"
#include "base/slot_pool.hpp"
#include "base/wipe.hpp"
#include "test/check.hpp"
#include "test/sha256.hpp"

using namespace tmr;

namespace {

std::string hex(Bytes bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    char pair[3];
    std::snprintf(pair, sizeof(pair), "%02x", byte);
    text += pair;
  }
  return text;
}

struct Slot {
  int value = 0;
  void clear() noexcept { value = 0; }
};

}  // namespace

TEST("integers are read as they were written, at every value of one bit") {
  for (int bit = 0; bit < 64; bit++) {
    const std::uint64_t value = std::uint64_t{1} << bit;
    std::uint8_t bytes[15];
    ByteWriter writer(bytes);
    writer.u8(static_cast<std::uint8_t>(value));
    writer.u16(static_cast<std::uint16_t>(value));
    writer.u32(static_cast<std::uint32_t>(value));
    writer.u64(value);
    CHECK(writer.left() == 0);
    ByteReader reader(bytes);
    CHECK(reader.u8() == static_cast<std::uint8_t>(value));
    CHECK(reader.u16() == static_cast<std::uint16_t>(value));
    CHECK(reader.u32() == static_cast<std::uint32_t>(value));
    CHECK(reader.u64() == value);
    CHECK(reader.ok() && reader.left() == 0);
  }
}

TEST("big-endian integers have their highest byte first") {
  std::uint8_t bytes[8];
  store_u16_be(bytes, 0x1234);
  CHECK(bytes[0] == 0x12 && bytes[1] == 0x34 && load_u16_be(bytes) == 0x1234);
  store_u64_be(bytes, 0x0102030405060708);
  for (std::uint8_t i = 0; i < 8; i++) CHECK(bytes[i] == i + 1);
}

TEST("a read past the end gives zero and makes every later read fail") {
  const std::uint8_t bytes[] = {1, 2, 3};
  ByteReader reader(bytes);
  CHECK(reader.u16() == 0x0201);
  CHECK(reader.u32() == 0 && !reader.ok());
  CHECK(reader.u8() == 0 && !reader.ok());
}

TEST("equality of bytes looks at length and at every byte") {
  std::uint8_t a[40] = {};
  std::uint8_t b[40] = {};
  CHECK(equal(a, b) && equal_secret(a, b) && is_zero(a));
  CHECK(!equal(Bytes(a).first(39), b) && !equal_secret(Bytes(a).first(39), b));
  for (std::size_t i = 0; i < sizeof(a); i++) {
    a[i] = 0x80;
    CHECK(!equal(a, b) && !equal_secret(a, b) && !is_zero(a));
    a[i] = 0;
  }
  CHECK(equal({}, {}) && equal_secret({}, {}) && is_zero({}));
}

TEST("a bounded buffer grows up to its limit, and what does not fit changes nothing") {
  BoundedBuffer buffer(1000);
  std::uint8_t byte = 0;
  for (int i = 0; i < 1000; i++) {
    byte = static_cast<std::uint8_t>(i);
    CHECK(buffer.append({&byte, 1}) == Status::ok);
    CHECK(buffer.capacity() <= 1000);
  }
  CHECK(buffer.append({&byte, 1}) == Status::no_room);
  CHECK(buffer.size() == 1000);
  for (std::size_t i = 0; i < 1000; i++) CHECK(buffer.bytes()[i] == static_cast<std::uint8_t>(i));
  buffer.clear(10);
  CHECK(buffer.empty() && buffer.capacity() == 0);
}

TEST("a bounded buffer never holds more than twice what was put in, beyond its first block") {
  BoundedBuffer buffer(1 << 20);
  MutableBytes room;
  for (std::size_t i = 0; i < 2000; i++) {
    CHECK(buffer.extend(100, room) == Status::ok && room.size() == 100);
    CHECK(buffer.capacity() <= 2 * buffer.size() || buffer.capacity() == 256);
  }
}

TEST("a pool hands out each slot once, says when it is full, and clears what comes back") {
  SlotPool<Slot> pool(3);
  const std::uint32_t a = pool.acquire();
  const std::uint32_t b = pool.acquire();
  const std::uint32_t c = pool.acquire();
  CHECK(a != b && b != c && a != c && pool.in_use() == 3);
  CHECK(pool.acquire() == SlotPool<Slot>::none);
  pool[b].value = 7;
  pool.release(b);
  CHECK(!pool.is_taken(b) && pool.in_use() == 2);
  CHECK(pool.acquire() == b && pool[b].value == 0);
  CHECK(!pool.is_taken(99));
}

TEST("a pool without slots is always full") {
  SlotPool<Slot> pool(0);
  CHECK(pool.acquire() == SlotPool<Slot>::none);
}

TEST("a secret is all zero once it was cleared") {
  std::uint8_t value[32];
  std::memset(value, 0xa5, sizeof(value));
  SecretBytes<32> secret{Bytes(value)};
  CHECK(equal(secret.view(), value));
  secret.clear();
  CHECK(is_zero(secret.view()));
}

TEST("the tests' own SHA-256 and HMAC give the published values") {
  test::PlainHasher hasher;
  CHECK(hex(hasher.sha256({text_bytes("abc")})) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(hasher.sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(hasher.hmac_sha256(text_bytes("Jefe"), {text_bytes("what do ya want "), text_bytes("for nothing?")})) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST("HKDF gives the values of RFC 5869, cases 1 and 3") {
  test::PlainHasher hasher;
  std::uint8_t ikm[22];
  std::memset(ikm, 0x0b, sizeof(ikm));
  std::uint8_t salt[13];
  for (std::uint8_t i = 0; i < sizeof(salt); i++) salt[i] = i;
  std::uint8_t info[10];
  for (std::uint8_t i = 0; i < sizeof(info); i++) info[i] = static_cast<std::uint8_t>(0xf0 + i);
  std::uint8_t out[42];
  hkdf_sha256(hasher, ikm, salt, info, out);
  CHECK(hex(out) == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  hkdf_sha256(hasher, ikm, {}, {}, out);
  CHECK(hex(out) == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST("blocks of any size hold what was put in, and a vector of them gives a large one back") {
  for (const std::size_t size : {std::size_t{1}, std::size_t{4096}, std::size_t{128 * 1024}, std::size_t{3'000'001}}) {
    std::uint8_t* block = static_cast<std::uint8_t*>(allocate_block(size));
    CHECK(block != nullptr);
    block[0] = 1;
    block[size - 1] = 2;
    CHECK(block[size - 1] == 2);
    free_block(block, size);
  }
  free_block(nullptr, 0);
  ByteVector bytes(1'000'000, 7);
  bytes.resize(2'000'000);
  CHECK(bytes[999'999] == 7 && bytes[1'000'000] == 0);
  clear_and_keep(bytes, 2'000'000);
  CHECK(bytes.empty() && bytes.capacity() >= 2'000'000);
  clear_and_keep(bytes, 4096);
  CHECK(bytes.capacity() == 0);
}
