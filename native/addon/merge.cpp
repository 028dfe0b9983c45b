// engine.mergeContainers(a, b, c): three container snapshots into one virtual container.
#include "merge/merge.hpp"

#include "addon/parts.hpp"
#include "addon/support.hpp"

namespace tmr::addon {

namespace {

napi_value merge_containers(napi_env env, napi_callback_info info) noexcept {
  const Call<3> call(env, info);
  Snapshots snapshots;
  for (std::size_t i = 0; i < 3; i++) {
    if (is_null(env, call[i])) continue;
    char what[16];
    std::snprintf(what, sizeof(what), "snapshot %zu", i + 1);
    if (!read_bytes(env, call[i], what, snapshots[i])) return nullptr;
    if (!is_sorted_snapshot(snapshots[i])) {
      return throw_misuse(env, Misuse::argument, "%s must be entries of %zu bytes, strictly ascending by key", what,
                          HOLDING_ENTRY_BYTES);
    }
  }
  MutableBytes merged;
  napi_value buffer = make_buffer(env, merged_count(snapshots) * MERGED_ENTRY_BYTES, merged);
  if (buffer == nullptr) return nullptr;
  merge_snapshots(snapshots, merged);
  return buffer;
}

}  // namespace

bool register_merge(napi_env env, napi_value exports) noexcept {
  return set_function(env, exports, "mergeContainers", merge_containers);
}

}  // namespace tmr::addon
