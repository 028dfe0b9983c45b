#include "gateway/gateway.hpp"

namespace tmr {

namespace {
/// The output buffer keeps this much between calls.
constexpr std::size_t kept_output_bytes = 256 * 1024;

/// What a session's outcome says about the peer; `inner` is what its message did, if one stopped the session.
Intake intake_of(Status status, Intake inner) noexcept {
  if (status == Status::ok) return Intake::ok;
  if (inner != Intake::ok) return inner;
  return status == Status::closed ? Intake::closed : Intake::malformed;
}
}  // namespace

Gateway::Gateway(const OrderingOptions& options, Hasher& hasher)
    : orderer_(options, hasher),
      sessions_(options.limits.max_clients),
      output_(output_bytes + 2 * MAX_LINK_MESSAGE_BYTES) {}

/// Gives a client's messages to the orderer and stops at the first that is not acceptable.
class Gateway::ClientSink final : public MessageSink {
 public:
  ClientSink(Orderer& orderer, std::uint32_t client) noexcept : orderer_(orderer), client_(client) {}
  Status message(MutableBytes message) noexcept override {
    intake = orderer_.client_message(client_, message);
    return intake == Intake::ok ? Status::ok : Status::malformed;
  }
  Intake intake = Intake::ok;

 private:
  Orderer& orderer_;
  const std::uint32_t client_;
};

/// Counts votes at once and keeps everything else for the owner.
class Gateway::UpstreamSink final : public MessageSink {
 public:
  UpstreamSink(Gateway& gateway, int upstream) noexcept : gateway_(gateway), upstream_(upstream) {}
  Status message(MutableBytes message) noexcept override {
    if (!message.empty() && message[0] == static_cast<std::uint8_t>(MessageType::vote)) {
      intake = gateway_.orderer_.vote(upstream_, message);
    } else {
      Link& link = gateway_.link(upstream_);
      link.received_bytes += message.size();
      link.received.emplace_back(message.begin(), message.end());
      if (link.received_bytes > max_queued_bytes) intake = Intake::closed;
    }
    return intake == Intake::ok ? Status::ok : Status::malformed;
  }
  Intake intake = Intake::ok;

 private:
  Gateway& gateway_;
  const int upstream_;
};

void Gateway::attach_client(std::uint32_t client, std::unique_ptr<Session> session) {
  sessions_[orderer_.clients().slot_of(client)] = std::move(session);
}

void Gateway::remove_client(std::uint32_t client) {
  const std::uint32_t slot = orderer_.clients().slot_of(client);
  if (slot == ClientTable::none) return;
  sessions_[slot].reset();
  orderer_.remove_client(client);
}

Intake Gateway::client_bytes(std::uint32_t client, MutableBytes chunk) {
  if (orderer_.clients().is_closed(client)) return Intake::closed;
  ClientSink sink(orderer_, client);
  const Status status = sessions_[orderer_.clients().slot_of(client)]->open(chunk, sink);
  if (status != Status::ok) orderer_.clients().close(client);
  return intake_of(status, sink.intake);
}

std::size_t Gateway::take_client_output(MutableBytes slab, std::span<ClientWrite> writes) {
  assert(slab.size() >= least_slab_bytes);
  ClientTable& clients = orderer_.clients();
  std::size_t at = 0;
  std::size_t count = 0;
  std::uint32_t client = ClientTable::none;
  while (count < writes.size() && clients.dirty({&client, 1}) > 0) {
    const std::size_t size = seal_packets(client, slab.subspan(at));
    if (size == 0 && !clients.is_closed(client)) {
      clients.name_again(client);
      break;
    }
    writes[count++] = {client, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size)};
    at += size;
  }
  return count;
}

std::size_t Gateway::seal_packets(std::uint32_t client, MutableBytes room) {
  ClientTable& clients = orderer_.clients();
  std::size_t used = 0;
  for (;;) {
    const std::size_t most = clients.next_packet_bytes(client);
    if (most == 0 || Session::sealed_size(most) > room.size() - used) return used;
    const Bytes packet = clients.take_packet(client);
    const std::size_t size = Session::sealed_size(packet.size());
    if (sessions_[clients.slot_of(client)]->seal(Parts(&packet, 1), room.subspan(used, size)) != Status::ok) {
      clients.close(client);
      return used;
    }
    used += size;
  }
}

void Gateway::set_upstream(int upstream, std::unique_ptr<Session> session) {
  clear_upstream(upstream);
  link(upstream).session = std::move(session);
}

void Gateway::clear_upstream(int upstream) {
  orderer_.unstream(upstream);
  link(upstream) = Link{};
}

Intake Gateway::upstream_bytes(int upstream, MutableBytes chunk) {
  if (link(upstream).session == nullptr) return Intake::closed;
  UpstreamSink sink(*this, upstream);
  const Status status = link(upstream).session->open(chunk, sink);
  return intake_of(status, sink.intake);
}

std::vector<std::uint8_t> Gateway::take_control(int upstream) {
  Link& from = link(upstream);
  if (from.received.empty()) return {};
  std::vector<std::uint8_t> message = std::move(from.received.front());
  from.received.pop_front();
  from.received_bytes -= message.size();
  return message;
}

void Gateway::send_control(int upstream, Bytes message) {
  Link& to = link(upstream);
  if (to.session == nullptr || to.session->is_closed()) return;
  to.to_send_bytes += message.size();
  if (to.to_send_bytes > max_queued_bytes) return to.session->close();
  to.to_send.push_back({orderer_.position(), {message.begin(), message.end()}});
}

Bytes Gateway::take_upstream_output(int upstream) {
  output_.clear(kept_output_bytes);
  while (output_.size() < output_bytes && seal_next(upstream)) {
  }
  return output_.bytes();
}

bool Gateway::seal_next(int upstream) {
  Link& to = link(upstream);
  if (to.session == nullptr || to.session->is_closed()) return false;
  const std::uint64_t append = orderer_.waiting_append(upstream);
  if (!to.to_send.empty() && (append == 0 || append > to.to_send.front().barrier)) {
    const Status status = to.session->seal(Bytes(to.to_send.front().message), output_);
    to.to_send_bytes -= to.to_send.front().message.size();
    to.to_send.pop_front();
    if (status == Status::ok) return true;
  } else if (const std::optional<AppendParts> parts = append == 0 ? std::nullopt : orderer_.take_append(upstream)) {
    const Bytes message[] = {parts->header, parts->batch};
    if (to.session->seal(Parts(message), output_) == Status::ok) return true;
  } else {
    return false;
  }
  // The session can seal no more: the next bytes from this upstream say so to the owner.
  to.session->close();
  return false;
}

}  // namespace tmr
