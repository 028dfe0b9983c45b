// etcd: a client holds a lease; a seat is a key that a transaction creates under that lease if it does not exist yet.
// All clients talk to the leader, which saves the hop that a follower would need. A client that was refused first reads
// which seats are free (a serializable range costs no round of consensus).
#include <cstdio>
#include <string>

#include "client.hpp"
#include "http2.hpp"

namespace load {
namespace {

constexpr std::string_view kTxn = "/etcdserverpb.KV/Txn";
constexpr std::string_view kRange = "/etcdserverpb.KV/Range";
constexpr std::string_view kDelete = "/etcdserverpb.KV/DeleteRange";
constexpr std::string_view kGrant = "/etcdserverpb.Lease/LeaseGrant";
constexpr std::string_view kRevoke = "/etcdserverpb.Lease/LeaseRevoke";
constexpr std::string_view kStatus = "/etcdserverpb.Maintenance/Status";
constexpr std::uint64_t kLeaseSeconds = 600;

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void put_number(std::string& out, std::uint32_t field, std::uint64_t value) {
  put_varint(out, field << 3);
  put_varint(out, value);
}

void put_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
  put_varint(out, field << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

/// One field of a protobuf message after the other.
class Fields {
 public:
  explicit Fields(std::string_view message) : left_(message) {}

  bool next() {
    if (left_.empty()) return false;
    const std::uint64_t key = varint();
    field = static_cast<std::uint32_t>(key >> 3);
    if ((key & 7) == 0) {
      number = varint();
      return true;
    }
    if ((key & 7) != 2) fail("etcd: unexpected wire type");
    const auto length = static_cast<std::size_t>(varint());
    if (length > left_.size()) fail("etcd: truncated message");
    bytes = left_.substr(0, length);
    left_.remove_prefix(length);
    return true;
  }

  std::uint32_t field = 0;
  std::uint64_t number = 0;
  std::string_view bytes;

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; !left_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(left_.front());
      left_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail("etcd: truncated number");
  }

  std::string_view left_;
};

std::uint64_t number_of(std::string_view message, std::uint32_t field) {
  for (Fields fields(message); fields.next();) {
    if (fields.field == field) return fields.number;
  }
  return 0;
}

std::string key_of(std::uint32_t seat) {
  char text[16];
  std::snprintf(text, sizeof text, "seat/%06u", seat);
  return text;
}

std::string all_keys() {
  std::string out;
  put_bytes(out, 1, "seat/");
  put_bytes(out, 2, "seat0");  // '0' follows '/'
  put_number(out, 7, 1);       // serializable
  put_number(out, 8, 1);       // keys only
  return out;
}

class EtcdClient final : public Client, GrpcConnection::Listener {
 public:
  EtcdClient(const Setup& setup, std::uint16_t port, std::uint32_t index)
      : grpc_(port, *this), seats_(setup.seats), choice_(index, setup.seats), holder_(std::to_string(index)) {
    std::string grant;
    put_number(grant, 1, kLeaseSeconds);
    grpc_.call_and_wait(kGrant, grant);
    lease_ = number_of(answer_, 2);
    if (lease_ == 0) fail("etcd: no lease");
    grpc_.connection().attach(setup.loop);
  }

  void access(Outcome& outcome) override {
    outcome_ = &outcome;
    if (was_refused_) {
      list();
    } else {
      create();
    }
  }

  void release(Outcome& outcome) override {
    outcome_ = &outcome;
    std::string request;
    put_bytes(request, 1, key_of(choice_.seat()));
    step_ = Step::remove;
    grpc_.call(kDelete, request);
  }

  void begin_close() override {
    std::string request;
    put_number(request, 1, lease_);
    step_ = Step::setup;
    grpc_.call(kRevoke, request);
  }

  void wait_closed() override { grpc_.wait(); }

 private:
  enum class Step { setup, create, list, remove };

  void create() {
    const std::string key = key_of(choice_.seat());
    std::string compare;
    put_number(compare, 2, 0);  // its version
    put_bytes(compare, 3, key);
    put_number(compare, 4, 0);  // is 0: the key does not exist
    std::string put;
    put_bytes(put, 1, key);
    put_bytes(put, 2, holder_);
    put_number(put, 3, lease_);
    std::string success;
    put_bytes(success, 2, put);
    std::string request;
    put_bytes(request, 1, compare);
    put_bytes(request, 2, success);
    step_ = Step::create;
    grpc_.call(kTxn, request);
  }

  void list() {
    step_ = Step::list;
    grpc_.call(kRange, all_keys());
  }

  void answered(std::string_view message) override {
    switch (step_) {
      case Step::setup:
        answer_ = message;
        return;
      case Step::create:
        if (number_of(message, 2) != 1) return list();
        was_refused_ = false;
        return outcome_->granted();
      case Step::list:
        if (choose_free(message)) return create();
        was_refused_ = true;
        return outcome_->refused();
      case Step::remove:
        if (number_of(message, 2) != 1) fail("etcd: the seat was not there");
        return outcome_->released();
    }
  }

  /// False when none is free.
  bool choose_free(std::string_view range) {
    std::vector<bool> taken(seats_);
    for (Fields fields(range); fields.next();) {
      if (fields.field != 2) continue;
      Fields key(fields.bytes);
      while (key.next() && key.field != 1) continue;
      const auto seat = static_cast<std::uint32_t>(std::stoul(std::string(key.bytes.substr(5))));
      if (seat < seats_) taken[seat] = true;
    }
    return choice_.choose_free(taken);
  }

  GrpcConnection grpc_;
  std::uint32_t seats_;
  SeatChoice choice_;
  std::string holder_;
  std::string answer_;
  std::uint64_t lease_ = 0;
  Outcome* outcome_ = nullptr;
  Step step_ = Step::setup;
  bool was_refused_ = false;
};

/// Asks one member about itself.
class Member final : GrpcConnection::Listener {
 public:
  explicit Member(std::uint16_t port) : grpc_(port, *this) { grpc_.call_and_wait(kStatus, ""); }
  bool leads() const { return own_ != 0 && own_ == leader_; }

 private:
  void answered(std::string_view message) override {
    for (Fields fields(message); fields.next();) {
      if (fields.field == 1) own_ = number_of(fields.bytes, 2);
      if (fields.field == 4) leader_ = fields.number;
    }
  }

  GrpcConnection grpc_;
  std::uint64_t own_ = 0;
  std::uint64_t leader_ = 0;
};

class EtcdDriver final : public Driver {
 public:
  explicit EtcdDriver(const Setup& setup) : setup_(setup) {}

  std::vector<std::unique_ptr<Client>> open() override {
    const std::uint16_t port = leader();
    std::vector<std::unique_ptr<Client>> clients;
    for (std::uint32_t i = 0; i < setup_.clients; ++i) {
      clients.push_back(std::make_unique<EtcdClient>(setup_, port, i));
    }
    return clients;
  }

 private:
  std::uint16_t leader() const {
    for (const std::uint16_t port : setup_.ports) {
      if (Member(port).leads()) return port;
    }
    fail("etcd: no member leads");
  }

  Setup setup_;
};

}  // namespace

std::unique_ptr<Driver> etcd_driver(const Setup& setup) { return std::make_unique<EtcdDriver>(setup); }

}  // namespace load
