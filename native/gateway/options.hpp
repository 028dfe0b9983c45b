// What one orderer is built with. Everything it will ever allocate follows from these numbers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"

namespace tmr {

struct OrderingLimits {
  std::uint32_t max_clients = 0;
  /// Client requests waiting for a batch, over all clients.
  std::uint32_t max_pending_requests = 0;
  std::uint32_t max_requests_per_batch = 0;
  std::uint32_t max_batch_blob_bytes = 0;
  /// Batches ordered and not carried yet.
  std::uint32_t max_batches_in_flight = 0;
  /// Batches kept after they were carried.
  std::uint32_t retained_batches = 0;
  /// Answers of one client that it has not taken yet.
  std::size_t max_client_output_bytes = 0;
};

/// Session time-outs in ms that an openSession may ask for; zero asks for the default.
struct SessionTimeouts {
  std::uint64_t least = 0;
  std::uint64_t by_default = 0;
  std::uint64_t most = 0;
};

struct OrderingOptions {
  OrderingLimits limits;
  SessionTimeouts session_timeouts;
  /// Votes that carry a batch: two of three, or one where a license server serves alone as upstream 1.
  std::uint8_t quorum = 2;
  /// 32 bytes that only the twins hold.
  Bytes twin_key;
};

// Bounds of the limits themselves. Whoever makes an orderer checks them.
inline constexpr std::uint32_t most_clients = 1u << 20;
inline constexpr std::uint32_t most_pending_requests = 1u << 20;
inline constexpr std::uint32_t most_batches_in_flight = 4096;
inline constexpr std::uint32_t most_retained_batches = 1u << 16;
inline constexpr std::size_t least_client_output_bytes = 1024;
inline constexpr std::size_t most_client_output_bytes = std::size_t{1} << 30;

/// Bytes of carried batches that are kept; beyond it the oldest go, however few there are.
inline constexpr std::size_t most_retained_bytes = std::size_t{32} << 20;
/// Records that the server itself proposed and that have not been reported yet.
inline constexpr std::size_t max_proposals = 64;
/// Requests that the TMR server answers itself and that wait to be taken.
inline constexpr std::size_t max_local_requests = 1024;

/// Outcome of bytes from a peer. Anything but ok: close its connection.
enum class Intake : std::uint8_t { ok = 0, closed = 1, malformed = 2 };

}  // namespace tmr
