// How a wire layout is written down once: a list of (name, offset, size) from which come the constants, the check that
// they cover the structure without gap or overlap, and the table that a test compares with TypeScript's.
//
// Names of fields and sizes are those of ts/wire, in their spelling, so that one search finds both sides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tmr {

struct Field {
  const char* name;
  std::size_t offset;
  std::size_t size;
};

/// True when each field begins where the one before it ends and the last ends at `total`.
constexpr bool cover_exactly(std::span<const Field> fields, std::size_t total) noexcept {
  std::size_t end = 0;
  for (const Field& field : fields) {
    if (field.offset != end) return false;
    end += field.size;
  }
  return end == total;
}

}  // namespace tmr

#define TMR_FIELD_CONSTANT(name, offset, size) inline constexpr std::size_t name = offset;
#define TMR_FIELD_ENTRY(name, offset, size) {#name, offset, size},

/// Declares namespace `Group` with one constant per field and the list `fields`, checked against `total`.
#define TMR_DECLARE_FIELDS(Group, LIST, total)                       \
  namespace Group {                                                  \
  LIST(TMR_FIELD_CONSTANT)                                           \
  inline constexpr ::tmr::Field fields[] = {LIST(TMR_FIELD_ENTRY)};  \
  static_assert(::tmr::cover_exactly(fields, total));                \
  }
