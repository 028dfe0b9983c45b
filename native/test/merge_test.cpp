// Every combination of who holds a key with which terms, one line each; `-` does not hold it.
#include "merge/merge.hpp"

#include <cstring>
#include <vector>

#include "test/check.hpp"
#include "wire/batch.hpp"

using namespace tmr;

namespace {

using Snapshot = std::vector<std::uint8_t>;

void add(Snapshot& snapshot, std::uint32_t firm, std::uint32_t product, std::uint32_t tmr_id, std::uint32_t act_id,
         char terms) {
  std::uint8_t entry[HOLDING_ENTRY_BYTES];
  store_u32(entry + HoldingField::firmCode, firm);
  store_u32(entry + HoldingField::productCode, product);
  store_u32(entry + HoldingField::tmrId, tmr_id);
  store_u32(entry + HoldingField::actId, act_id);
  std::memset(entry + HoldingField::digest, terms, DIGEST_BYTES);
  snapshot.insert(snapshot.end(), entry, entry + sizeof(entry));
}

std::vector<std::uint8_t> merged(const Snapshot& a, const Snapshot& b, const Snapshot& c) {
  const Snapshots snapshots = {Bytes(a), Bytes(b), Bytes(c)};
  std::vector<std::uint8_t> out(merged_count(snapshots) * MERGED_ENTRY_BYTES, 0xee);
  merge_snapshots(snapshots, out);
  return out;
}

struct Case {
  const char* terms;
  char winner;
  std::uint8_t present;
  std::uint8_t agree;
  MergeVerdict verdict;
  std::uint8_t odd;
};

// clang-format off
constexpr Case cases[] = {
  // terms  winner present agree  verdict                       odd
  {"x x x", 'x',   0b111,  0b111, MergeVerdict::unanimous,       0},
  {"x x y", 'x',   0b111,  0b011, MergeVerdict::majorityOdd,     3},
  {"x y x", 'x',   0b111,  0b101, MergeVerdict::majorityOdd,     2},
  {"y x x", 'x',   0b111,  0b110, MergeVerdict::majorityOdd,     1},
  {"x x -", 'x',   0b011,  0b011, MergeVerdict::majorityMissing, 0},
  {"x - x", 'x',   0b101,  0b101, MergeVerdict::majorityMissing, 0},
  {"- x x", 'x',   0b110,  0b110, MergeVerdict::majorityMissing, 0},
  {"x y z", 0,     0b111,  0b000, MergeVerdict::split,           0},
  {"x y -", 0,     0b011,  0b000, MergeVerdict::split,           0},
  {"x - y", 0,     0b101,  0b000, MergeVerdict::split,           0},
  {"- x y", 0,     0b110,  0b000, MergeVerdict::split,           0},
  {"x - -", 0,     0b001,  0b000, MergeVerdict::alone,           0},
  {"- x -", 0,     0b010,  0b000, MergeVerdict::alone,           0},
  {"- - x", 0,     0b100,  0b000, MergeVerdict::alone,           0},
};
// clang-format on

}  // namespace

TEST("a license is in the virtual container when two upstreams hold it with equal terms, in every combination") {
  for (const Case& expected : cases) {
    Snapshot snapshots[3];
    for (int i = 0; i < 3; i++) {
      if (expected.terms[2 * i] != '-') add(snapshots[i], 6000010, 13, 1, 5, expected.terms[2 * i]);
    }
    const std::vector<std::uint8_t> out = merged(snapshots[0], snapshots[1], snapshots[2]);
    CHECK(out.size() == MERGED_ENTRY_BYTES);
    const std::uint8_t* entry = out.data();
    CHECK(load_u32(entry + MergedField::firmCode) == 6000010 && load_u32(entry + MergedField::productCode) == 13);
    CHECK(load_u32(entry + MergedField::tmrId) == 1 && load_u32(entry + MergedField::actId) == 5);
    Digest winner;
    winner.fill(static_cast<std::uint8_t>(expected.winner));
    CHECK(equal({entry + MergedField::digest, DIGEST_BYTES}, winner));
    CHECK(entry[MergedField::present] == expected.present && entry[MergedField::agree] == expected.agree);
    CHECK(entry[MergedField::verdict] == static_cast<std::uint8_t>(expected.verdict));
    CHECK(entry[MergedField::odd] == expected.odd);
    CHECK(is_zero({entry + MergedField::tail, 12}));
  }
}

TEST("terms that differ in one byte only, wherever it is, are not equal") {
  for (std::size_t byte = 0; byte < DIGEST_BYTES; byte++) {
    Snapshot a;
    Snapshot b;
    add(a, 1, 1, 1, 1, 'x');
    add(b, 1, 1, 1, 1, 'x');
    b[HoldingField::digest + byte] ^= 0x80;
    CHECK(merged(a, b, {})[MergedField::verdict] == static_cast<std::uint8_t>(MergeVerdict::split));
  }
}

TEST("the merge is in ascending order of firm code, product code, TMR-ID, actId as numbers") {
  Snapshot a;
  add(a, 1, 2, 3, 4, 'x');
  add(a, 256, 0, 0, 0, 'x');
  Snapshot b;
  add(b, 1, 2, 3, 5, 'x');
  add(b, 1, 300, 0, 0, 'x');
  Snapshot c;
  add(c, 1, 2, 4, 0, 'x');
  add(c, 0xffffffff, 0, 0, 0, 'x');
  const std::vector<std::uint8_t> out = merged(a, b, c);
  CHECK(out.size() == 6 * MERGED_ENTRY_BYTES);
  const std::uint32_t keys[6][4] = {{1, 2, 3, 4},   {1, 2, 3, 5},   {1, 2, 4, 0},
                                    {1, 300, 0, 0}, {256, 0, 0, 0}, {0xffffffff, 0, 0, 0}};
  for (std::size_t i = 0; i < 6; i++) {
    for (std::size_t field = 0; field < 4; field++) {
      CHECK(load_u32(out.data() + i * MERGED_ENTRY_BYTES + field * 4) == keys[i][field]);
    }
  }
}

TEST("a snapshot that is unsorted, repeats a key or ends within an entry is not accepted") {
  Snapshot sorted;
  add(sorted, 1, 1, 1, 1, 'x');
  add(sorted, 1, 1, 1, 2, 'x');
  CHECK(is_sorted_snapshot(sorted) && is_sorted_snapshot({}));
  for (std::size_t size = 1; size < sorted.size(); size++) {
    CHECK(is_sorted_snapshot(Bytes(sorted).first(size)) == (size == HOLDING_ENTRY_BYTES));
  }
  Snapshot repeated;
  add(repeated, 1, 1, 1, 1, 'x');
  add(repeated, 1, 1, 1, 1, 'y');
  CHECK(!is_sorted_snapshot(repeated));
  Snapshot falling;
  add(falling, 256, 1, 1, 1, 'x');
  add(falling, 1, 1, 1, 1, 'x');
  CHECK(!is_sorted_snapshot(falling));
}
