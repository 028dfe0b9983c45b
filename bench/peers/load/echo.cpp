// A bare echo: 128 bytes there and back stand for a request and its answer. Nothing is counted, kept or decided.
#include <string>

#include "client.hpp"
#include "connection.hpp"

namespace load {
namespace {

constexpr std::size_t kMessage = 128;

class EchoClient final : public Client, Receiver {
 public:
  explicit EchoClient(const Setup& setup) : connection_(setup.ports[0], *this) { connection_.attach(setup.loop); }

  void access(Outcome& outcome) override {
    outcome_ = &outcome;
    accessing_ = true;
    connection_.send(message_);
  }

  void release(Outcome& outcome) override {
    outcome_ = &outcome;
    accessing_ = false;
    connection_.send(message_);
  }

 private:
  std::size_t receive(std::string_view bytes) override {
    if (bytes.size() < kMessage) return 0;
    if (accessing_) {
      outcome_->granted();
    } else {
      outcome_->released();
    }
    return kMessage;
  }

  Connection connection_;
  std::string message_ = std::string(kMessage, 'x');
  Outcome* outcome_ = nullptr;
  bool accessing_ = false;
};

class EchoDriver final : public Driver {
 public:
  explicit EchoDriver(const Setup& setup) : setup_(setup) {}

  std::vector<std::unique_ptr<Client>> open() override {
    std::vector<std::unique_ptr<Client>> clients;
    for (std::uint32_t i = 0; i < setup_.clients; ++i) clients.push_back(std::make_unique<EchoClient>(setup_));
    return clients;
  }

 private:
  Setup setup_;
};

}  // namespace

std::unique_ptr<Driver> echo_driver(const Setup& setup) { return std::make_unique<EchoDriver>(setup); }

}  // namespace load
