// ZooKeeper: a client is a session; a seat is an ephemeral node that its holder creates and deletes. All clients talk to
// the leader, which saves the hop that a follower would need. A client that was refused first reads which seats are free
// (a read is answered by the server itself).
#include <cstdio>
#include <string>

#include "client.hpp"
#include "connection.hpp"

namespace load {
namespace {

constexpr std::uint32_t kCreate = 1, kDelete = 2, kGetChildren = 8;
constexpr std::uint32_t kCloseSession = static_cast<std::uint32_t>(-11);
constexpr std::int32_t kNodeExists = -110;
constexpr std::uint32_t kEphemeral = 1;
constexpr std::uint32_t kAllPermissions = 31;
constexpr std::string_view kPool = "/pool";

void put_text(std::string& out, std::string_view text) {
  put32(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

std::string path_of(std::uint32_t seat) {
  char text[24];
  std::snprintf(text, sizeof text, "/pool/%06u", seat);
  return text;
}

std::string create_body(std::string_view path, std::string_view data, std::uint32_t flags) {
  std::string out;
  put_text(out, path);
  put_text(out, data);
  put32(out, 1);  // one entry of its access list
  put32(out, kAllPermissions);
  put_text(out, "world");
  put_text(out, "anyone");
  put32(out, flags);
  return out;
}

/// A session: requests one at a time, answers with their error code.
class Session final : public Receiver {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void answered(std::int32_t error, std::string_view body) = 0;
  };

  Session(std::uint16_t port, Listener& listener) : connection_(port, *this), listener_(listener) {
    std::string hello;
    put32(hello, 0);       // protocol version
    put64(hello, 0);       // no transaction seen yet
    put32(hello, 30'000);  // session timeout in ms
    put64(hello, 0);       // a new session
    put_text(hello, std::string(16, '\0'));
    hello.push_back('\0');  // not read-only
    send(hello);
    while (!welcomed_) connection_.read_some();
  }

  Connection& connection() { return connection_; }

  void request(std::uint32_t type, std::string_view body) {
    std::string out;
    put32(out, ++xid_);
    put32(out, type);
    out += body;
    waiting_ = true;
    send(out);
  }

  void wait() {
    while (waiting_) connection_.read_some();
  }

 private:
  void send(std::string_view message) {
    std::string out;
    put_text(out, message);
    connection_.send(out);
  }

  std::size_t receive(std::string_view bytes) override {
    std::size_t at = 0;
    while (bytes.size() - at >= 4) {
      const std::size_t length = get32(bytes, at);
      if (bytes.size() - at < 4 + length) break;
      const std::string_view message = bytes.substr(at + 4, length);
      at += 4 + length;
      take(message);
    }
    return at;
  }

  void take(std::string_view message) {
    if (!welcomed_) {
      if (message.size() < 16 || get64(message, 8) == 0) fail("zookeeper: no session");
      welcomed_ = true;
      return;
    }
    if (message.size() < 16 || get32(message, 0) != xid_) fail("zookeeper: an answer to something else");
    waiting_ = false;
    listener_.answered(static_cast<std::int32_t>(get32(message, 12)), message.substr(16));
  }

  Connection connection_;
  Listener& listener_;
  std::uint32_t xid_ = 0;
  bool welcomed_ = false;
  bool waiting_ = false;
};

class ZooKeeperClient final : public Client, Session::Listener {
 public:
  ZooKeeperClient(const Setup& setup, std::uint16_t port, std::uint32_t index)
      : session_(port, *this), seats_(setup.seats), choice_(index, setup.seats), holder_(std::to_string(index)) {
    session_.connection().attach(setup.loop);
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
    std::string body;
    put_text(body, path_of(choice_.seat()));
    put32(body, static_cast<std::uint32_t>(-1));  // whatever its version
    step_ = Step::remove;
    session_.request(kDelete, body);
  }

  void begin_close() override {
    step_ = Step::closing;
    session_.request(kCloseSession, "");
  }

  void wait_closed() override { session_.wait(); }

 private:
  enum class Step { create, list, remove, closing };

  void create() {
    step_ = Step::create;
    session_.request(kCreate, create_body(path_of(choice_.seat()), holder_, kEphemeral));
  }

  void list() {
    std::string body;
    put_text(body, kPool);
    body.push_back('\0');  // no watch
    step_ = Step::list;
    session_.request(kGetChildren, body);
  }

  void answered(std::int32_t error, std::string_view body) override {
    if (error != 0 && !(step_ == Step::create && error == kNodeExists)) {
      fail("zookeeper: error", std::to_string(error).c_str());
    }
    switch (step_) {
      case Step::create:
        if (error != 0) return list();
        was_refused_ = false;
        return outcome_->granted();
      case Step::list:
        if (choose_free(body)) return create();
        was_refused_ = true;
        return outcome_->refused();
      case Step::remove:
        return outcome_->released();
      case Step::closing:
        return;
    }
  }

  /// False when none is free.
  bool choose_free(std::string_view children) {
    std::vector<bool> taken(seats_);
    std::uint32_t left = get32(children, 0);
    for (std::size_t at = 4; left > 0; --left) {
      const std::size_t length = get32(children, at);
      const auto seat = static_cast<std::uint32_t>(std::stoul(std::string(children.substr(at + 4, length))));
      at += 4 + length;
      if (seat < seats_) taken[seat] = true;
    }
    return choice_.choose_free(taken);
  }

  Session session_;
  std::uint32_t seats_;
  SeatChoice choice_;
  std::string holder_;
  Outcome* outcome_ = nullptr;
  Step step_ = Step::create;
  bool was_refused_ = false;
};

/// Makes the node that all seats are below, if it is not there.
class Founder final : Session::Listener {
 public:
  explicit Founder(std::uint16_t port) : session_(port, *this) {
    session_.request(kCreate, create_body(kPool, "", 0));
    session_.wait();
    session_.request(kCloseSession, "");
    session_.wait();
  }

 private:
  void answered(std::int32_t error, std::string_view) override {
    if (error != 0 && error != kNodeExists) fail("zookeeper: cannot create", std::string(kPool).c_str());
  }

  Session session_;
};

/// The answer to `srvr`, a word of four letters that every server answers before it closes the connection.
class Mode final : Receiver {
 public:
  explicit Mode(std::uint16_t port) {
    Connection connection(port, *this);
    connection.send("srvr");
    while (text_.find("Mode: ") == std::string::npos || !text_.ends_with('\n')) connection.read_some();
  }

  bool leads() const { return text_.find("Mode: leader") != std::string::npos; }

 private:
  std::size_t receive(std::string_view bytes) override {
    text_ += bytes;
    return bytes.size();
  }

  std::string text_;
};

class ZooKeeperDriver final : public Driver {
 public:
  explicit ZooKeeperDriver(const Setup& setup) : setup_(setup) {}

  std::vector<std::unique_ptr<Client>> open() override {
    const std::uint16_t port = leader();
    const Founder founder(port);
    std::vector<std::unique_ptr<Client>> clients;
    for (std::uint32_t i = 0; i < setup_.clients; ++i) {
      clients.push_back(std::make_unique<ZooKeeperClient>(setup_, port, i));
    }
    return clients;
  }

 private:
  std::uint16_t leader() const {
    for (const std::uint16_t port : setup_.ports) {
      if (Mode(port).leads()) return port;
    }
    fail("zookeeper: no server leads");
  }

  Setup setup_;
};

}  // namespace

std::unique_ptr<Driver> zookeeper_driver(const Setup& setup) { return std::make_unique<ZooKeeperDriver>(setup); }

}  // namespace load
