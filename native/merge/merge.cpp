#include "merge/merge.hpp"

namespace tmr {

namespace {

/// A key as two integers that compare like its four fields from left to right.
struct Key {
  std::uint64_t high;
  std::uint64_t low;
  constexpr auto operator<=>(const Key&) const noexcept = default;
};

Key key_at(const std::uint8_t* entry) noexcept {
  return {std::uint64_t{load_u32(entry + HoldingField::firmCode)} << 32 | load_u32(entry + HoldingField::productCode),
          std::uint64_t{load_u32(entry + HoldingField::tmrId)} << 32 | load_u32(entry + HoldingField::actId)};
}

/// Walks three snapshots in step: each `next()` stands at the lowest key not seen yet.
class Walk {
 public:
  explicit Walk(const Snapshots& snapshots) noexcept : rest_(snapshots) {}

  /// False at the end. Otherwise entry(i) is upstream i+1's entry of the current key, or null.
  bool next() noexcept {
    bool any = false;
    Key lowest{};
    Key keys[3];
    for (int i = 0; i < 3; i++) {
      if (rest_[i].empty()) continue;
      keys[i] = key_at(rest_[i].data());
      if (!any || keys[i] < lowest) lowest = keys[i];
      any = true;
    }
    for (int i = 0; i < 3; i++) {
      const bool has = !rest_[i].empty() && keys[i] == lowest;
      entries_[i] = has ? rest_[i].data() : nullptr;
      if (has) rest_[i] = rest_[i].subspan(HOLDING_ENTRY_BYTES);
    }
    return any;
  }

  const std::uint8_t* entry(int i) const noexcept { return entries_[i]; }

 private:
  Snapshots rest_;
  std::array<const std::uint8_t*, 3> entries_{};
};

struct Judgement {
  std::uint8_t present = 0;
  std::uint8_t agree = 0;
  MergeVerdict verdict = MergeVerdict::alone;
  std::uint8_t odd = 0;
  const std::uint8_t* winner = nullptr;
};

bool same_terms(const std::uint8_t* a, const std::uint8_t* b) noexcept {
  return a != nullptr && b != nullptr && std::memcmp(a + HoldingField::digest, b + HoldingField::digest, 32) == 0;
}

Judgement judge(const std::uint8_t* a, const std::uint8_t* b, const std::uint8_t* c) noexcept {
  const std::uint8_t present = static_cast<std::uint8_t>((a ? 1 : 0) | (b ? 2 : 0) | (c ? 4 : 0));
  const bool ab = same_terms(a, b);
  const bool ac = same_terms(a, c);
  const bool bc = same_terms(b, c);
  if (ab && ac) return {present, 7, MergeVerdict::unanimous, 0, a};
  if (ab) return {present, 3, c ? MergeVerdict::majorityOdd : MergeVerdict::majorityMissing, c ? std::uint8_t{3} : std::uint8_t{0}, a};
  if (ac) return {present, 5, b ? MergeVerdict::majorityOdd : MergeVerdict::majorityMissing, b ? std::uint8_t{2} : std::uint8_t{0}, a};
  if (bc) return {present, 6, a ? MergeVerdict::majorityOdd : MergeVerdict::majorityMissing, a ? std::uint8_t{1} : std::uint8_t{0}, b};
  const bool alone = present == 1 || present == 2 || present == 4;
  return {present, 0, alone ? MergeVerdict::alone : MergeVerdict::split, 0, nullptr};
}

void write_entry(MutableBytes out, const std::uint8_t* key, const Judgement& judgement) noexcept {
  ByteWriter writer(out);
  writer.bytes({key, merge_key_bytes});
  if (judgement.winner != nullptr) {
    writer.bytes({judgement.winner + HoldingField::digest, 32});
  } else {
    writer.zeros(32);
  }
  writer.u8(judgement.present);
  writer.u8(judgement.agree);
  writer.u8(static_cast<std::uint8_t>(judgement.verdict));
  writer.u8(judgement.odd);
  writer.zeros(writer.left());
}

}  // namespace

bool is_sorted_snapshot(Bytes snapshot) noexcept {
  if (snapshot.size() % HOLDING_ENTRY_BYTES != 0) return false;
  for (std::size_t at = HOLDING_ENTRY_BYTES; at < snapshot.size(); at += HOLDING_ENTRY_BYTES) {
    if (key_at(snapshot.data() + at - HOLDING_ENTRY_BYTES) >= key_at(snapshot.data() + at)) return false;
  }
  return true;
}

std::size_t merged_count(const Snapshots& snapshots) noexcept {
  std::size_t count = 0;
  for (Walk walk(snapshots); walk.next();) count++;
  return count;
}

void merge_snapshots(const Snapshots& snapshots, MutableBytes out) noexcept {
  Walk walk(snapshots);
  for (; walk.next(); out = out.subspan(MERGED_ENTRY_BYTES)) {
    const std::uint8_t* a = walk.entry(0);
    const std::uint8_t* b = walk.entry(1);
    const std::uint8_t* c = walk.entry(2);
    write_entry(out.first(MERGED_ENTRY_BYTES), a ? a : b ? b : c, judge(a, b, c));
  }
}

}  // namespace tmr
