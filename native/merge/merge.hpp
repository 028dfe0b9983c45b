// Three container snapshots into one virtual container: for every license key, which terms at least two upstreams hold.
//
// A snapshot is an array of 48-byte entries, strictly ascending by key: u32 firmCode, productCode, tmrId, actId
// (little-endian), then the 32-byte digest of the terms. The merge is an array of 64-byte entries in the same order,
// one for every key that anybody has. ts/wire/merge.ts holds the same numbers.
#pragma once

#include <array>

#include "base/bytes.hpp"
#include "wire/field.hpp"

namespace tmr {

inline constexpr std::size_t HOLDING_ENTRY_BYTES = 48;
inline constexpr std::size_t MERGED_ENTRY_BYTES = 64;
inline constexpr std::size_t merge_key_bytes = 16;

// clang-format off
#define TMR_HOLDING_FIELDS(X) \
  X(firmCode, 0, 4) X(productCode, 4, 4) X(tmrId, 8, 4) X(actId, 12, 4) X(digest, 16, 32)
#define TMR_MERGED_FIELDS(X) \
  TMR_HOLDING_FIELDS(X) X(present, 48, 1) X(agree, 49, 1) X(verdict, 50, 1) X(odd, 51, 1) X(tail, 52, 12)
#define TMR_MERGE_VERDICTS(X) X(unanimous, 1) X(majorityOdd, 2) X(majorityMissing, 3) X(split, 4) X(alone, 5)
// clang-format on

TMR_DECLARE_FIELDS(HoldingField, TMR_HOLDING_FIELDS, HOLDING_ENTRY_BYTES)
TMR_DECLARE_FIELDS(MergedField, TMR_MERGED_FIELDS, MERGED_ENTRY_BYTES)

enum class MergeVerdict : std::uint8_t {
#define TMR_MERGE_VERDICT_MEMBER(name, number) name = number,
  TMR_MERGE_VERDICTS(TMR_MERGE_VERDICT_MEMBER)
#undef TMR_MERGE_VERDICT_MEMBER
};

/// Three snapshots, upstream 1 first; an upstream without a statement is empty.
using Snapshots = std::array<Bytes, 3>;

/// True when the size is a multiple of the entry and the keys ascend strictly.
bool is_sorted_snapshot(Bytes snapshot) noexcept;

/// How many keys the merge of three sorted snapshots has.
std::size_t merged_count(const Snapshots& snapshots) noexcept;

/// Writes the merge of three sorted snapshots; `out` has room for exactly merged_count() entries.
void merge_snapshots(const Snapshots& snapshots, MutableBytes out) noexcept;

}  // namespace tmr
