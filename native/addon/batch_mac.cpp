// verifyBatchMac: the only keyed check of a batch outside the gateway, for what a TMR server fetched from an upstream.
#include "addon/parts.hpp"
#include "addon/support.hpp"
#include "base/wipe.hpp"
#include "packet/evp_hasher.hpp"
#include "wire/batch.hpp"

namespace tmr::addon {

namespace {

/// verifyBatchMac(batch, twinKey)
napi_value verify_batch_mac(napi_env env, napi_callback_info info) noexcept {
  const Call<2> call(env, info);
  Bytes batch;
  Bytes twin_key;
  if (!read_bytes(env, call[0], "batch", batch) || !read_bytes_of(env, call[1], "twinKey", digest_bytes, twin_key)) {
    return nullptr;
  }
  if (!is_well_formed_batch(batch)) return make_boolean(env, false);
  EvpHasher hasher;
  SecretBytes<digest_bytes> mac_key;
  hkdf_sha256(hasher, twin_key, {}, text_bytes("tmr batch mac"), mac_key.fill());
  const Digest mac = batch_mac(hasher, mac_key.view(), batch);
  return make_boolean(env, equal_secret(mac, batch.subspan(BatchField::mac, digest_bytes)));
}

}  // namespace

bool register_batch_mac(napi_env env, napi_value exports) noexcept {
  return set_function(env, exports, "verifyBatchMac", verify_batch_mac);
}

}  // namespace tmr::addon
