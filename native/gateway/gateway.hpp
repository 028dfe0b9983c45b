// An orderer behind encrypted connections: what one TMR server runs. Frames in, frames out; one session per client and
// per upstream. What each call means to its caller stands in ts/engine/types.ts (Gateway).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "gateway/orderer.hpp"
#include "packet/session.hpp"

namespace tmr {

class Gateway {
 public:
  /// The hasher must outlive the gateway.
  Gateway(const OrderingOptions& options, Hasher& hasher);
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;
  Gateway(Gateway&&) = delete;
  Gateway& operator=(Gateway&&) = delete;
  ~Gateway() = default;

  Orderer& orderer() noexcept { return orderer_; }

  /// Makes room for a client; its number, or ClientTable::none. `attach_client` gives it its session.
  std::uint32_t add_client() { return orderer_.add_client(); }
  void attach_client(std::uint32_t client, std::unique_ptr<Session> session);
  void remove_client(std::uint32_t client);
  /// The chunk is decrypted in place.
  Intake client_bytes(std::uint32_t client, MutableBytes chunk);
  /// One write to a client's socket: a part of the slab; empty when the client was closed.
  struct ClientWrite {
    std::uint32_t client;
    std::uint32_t offset;
    std::uint32_t size;
  };
  /// Seals the packets of clients with output into the slab, those of one client behind one another, until either is
  /// full; how many writes that makes. The slab takes at least one packet.
  std::size_t take_client_output(MutableBytes slab, std::span<ClientWrite> writes);
  static constexpr std::size_t least_slab_bytes = Session::sealed_size(MAX_PACKET_BYTES);

  /// A new link begins without anything of the old one: not streamed to, nothing queued either way.
  void set_upstream(int upstream, std::unique_ptr<Session> session);
  void clear_upstream(int upstream);
  Intake upstream_bytes(int upstream, MutableBytes chunk);
  /// The next message that is not a vote, or nothing.
  std::vector<std::uint8_t> take_control(int upstream);
  void send_control(int upstream, Bytes message);
  /// Sealed frames, about `output_bytes` of them at most, or nothing. Valid until the next call.
  Bytes take_upstream_output(int upstream);

  static constexpr std::size_t output_bytes = 1024 * 1024;
  /// What one link may have queued in either direction, besides batches. A link beyond it fails.
  static constexpr std::size_t max_queued_bytes = 4 * MAX_LINK_MESSAGE_BYTES;

 private:
  /// A control message to be sealed after every batch up to `barrier` was.
  struct Control {
    std::uint64_t barrier;
    std::vector<std::uint8_t> message;
  };
  struct Link {
    std::unique_ptr<Session> session;
    std::deque<std::vector<std::uint8_t>> received;
    std::size_t received_bytes = 0;
    std::deque<Control> to_send;
    std::size_t to_send_bytes = 0;
  };
  class ClientSink;
  class UpstreamSink;

  Link& link(int upstream) noexcept { return links_[upstream - 1]; }
  /// Seals the next thing that is queued for the upstream. False: nothing was, or the session is spent.
  bool seal_next(int upstream);
  /// Seals the client's packets as far as there is room; the bytes used.
  std::size_t seal_packets(std::uint32_t client, MutableBytes room);

  Orderer orderer_;
  /// By client slot.
  std::vector<std::unique_ptr<Session>> sessions_;
  std::array<Link, 3> links_;
  OutputBuffer output_;
};

}  // namespace tmr
