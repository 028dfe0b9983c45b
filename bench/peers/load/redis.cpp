// Majority locking on three independent Redis: a seat is a key, taken with SET NX PX on all three and held when two said
// OK; given back with a script that deletes the key only where it still holds this client's token.
//
// A client goes on as soon as two have answered. The third answer comes later on the same connection, in order, and is
// told from the answers that count by its number.
#include <array>
#include <string>

#include "client.hpp"
#include "connection.hpp"

namespace load {
namespace {

constexpr std::string_view kRelease =
    "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end";

std::string command(std::initializer_list<std::string_view> words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string_view word : words) {
    out += "$" + std::to_string(word.size()) + "\r\n";
    out += word;
    out += "\r\n";
  }
  return out;
}

/// One client's connection to one of the three; reports each one-line reply.
class Node final : public Receiver {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void reply(std::string_view line, std::uint64_t number) = 0;
  };

  Node(std::uint16_t port, Listener& listener) : connection_(port, *this), listener_(listener) {}

  Connection& connection() { return connection_; }
  std::uint64_t replies() const { return replies_; }

 private:
  std::size_t receive(std::string_view bytes) override {
    std::size_t at = 0;
    for (;;) {
      const std::size_t end = bytes.find("\r\n", at);
      if (end == std::string_view::npos) return at;
      const std::string_view line = bytes.substr(at, end - at);
      if (line.starts_with('-')) fail("redis:", std::string(line).c_str());
      at = end + 2;
      listener_.reply(line, ++replies_);
    }
  }

  Connection connection_;
  Listener& listener_;
  std::uint64_t replies_ = 0;
};

class RedisClient final : public Client, Node::Listener {
 public:
  RedisClient(const Setup& setup, const std::string& sha, std::uint32_t index)
      : nodes_{Node(setup.ports[0], *this), Node(setup.ports[1], *this), Node(setup.ports[2], *this)},
        sha_(sha),
        choice_(index, setup.seats),
        token_("client-" + std::to_string(index)) {
    for (Node& node : nodes_) node.connection().attach(setup.loop);
  }

  void access(Outcome& outcome) override {
    outcome_ = &outcome;
    const std::string seat = "seat:" + std::to_string(choice_.seat());
    undo_ = command({"EVALSHA", sha_, "1", seat, token_});
    begin(Phase::access, command({"SET", seat, token_, "NX", "PX", "30000"}));
  }

  void release(Outcome& outcome) override {
    outcome_ = &outcome;
    begin(Phase::release, undo_);
  }

 private:
  enum class Phase { access, release, undo, settled };

  /// Every phase sends one command to each of the three, so the phase's number is the number of its replies.
  void begin(Phase phase, const std::string& bytes) {
    phase_ = phase;
    ++number_;
    yes_ = 0;
    answers_ = 0;
    for (Node& node : nodes_) node.connection().send(bytes);
  }

  void reply(std::string_view line, std::uint64_t number) override {
    if (number != number_ || phase_ == Phase::settled) return;
    ++answers_;
    if (line == "+OK" || line == ":1") ++yes_;
    switch (phase_) {
      case Phase::access:
        if (yes_ == 2) return settle(&Outcome::granted);
        if (answers_ == 3) lost();
        return;
      case Phase::release:
        if (answers_ == 2) settle(&Outcome::released);
        return;
      case Phase::undo:
        if (answers_ == 3) refuse();
        return;
      case Phase::settled:
        return;
    }
  }

  void lost() {
    if (yes_ == 0) {
      refuse();
    } else {
      begin(Phase::undo, undo_);
    }
  }

  void refuse() {
    choice_.another();
    settle(&Outcome::refused);
  }

  void settle(void (Outcome::*how)()) {
    phase_ = Phase::settled;
    (outcome_->*how)();
  }

  std::array<Node, 3> nodes_;
  const std::string& sha_;
  SeatChoice choice_;
  std::string token_;
  std::string undo_;
  Outcome* outcome_ = nullptr;
  Phase phase_ = Phase::settled;
  std::uint64_t number_ = 0;
  int yes_ = 0;
  int answers_ = 0;
};

class RedisDriver final : public Driver {
 public:
  explicit RedisDriver(const Setup& setup) : setup_(setup) {
    if (setup.ports.size() != 3) fail("redis: three ports expected");
  }

  std::vector<std::unique_ptr<Client>> open() override {
    for (const std::uint16_t port : setup_.ports) sha_ = prepare(port);
    std::vector<std::unique_ptr<Client>> clients;
    for (std::uint32_t i = 0; i < setup_.clients; ++i) {
      clients.push_back(std::make_unique<RedisClient>(setup_, sha_, i));
    }
    return clients;
  }

 private:
  /// Takes lines outside the loop.
  class Lines final : public Receiver {
   public:
    std::string text;
    std::size_t receive(std::string_view bytes) override {
      text += bytes;
      return bytes.size();
    }
  };

  /// Loads the script; the reply is `$40`, a line break and its SHA-1.
  static std::string prepare(std::uint16_t port) {
    Lines lines;
    Connection connection(port, lines);
    connection.send(command({"SCRIPT", "LOAD", kRelease}));
    while (lines.text.size() < 47) connection.read_some();
    if (!lines.text.starts_with("$40")) fail("redis:", lines.text.c_str());
    return lines.text.substr(5, 40);
  }

  Setup setup_;
  std::string sha_;
};

}  // namespace

std::unique_ptr<Driver> redis_driver(const Setup& setup) { return std::make_unique<RedisDriver>(setup); }

}  // namespace load
