// A server that speaks HTTP/1.1 and JSON: POST /access {"client"} -> 200 {"seat"} or 409, POST /release {"client","seat"}
// -> 204. A connection per client, kept alive.
#include <string>

#include "client.hpp"
#include "connection.hpp"

namespace load {
namespace {

std::string post(std::string_view path, const std::string& body) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

class HttpConnection final : public Receiver {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void answered(int status, std::string_view body) = 0;
  };

  HttpConnection(std::uint16_t port, Listener& listener) : connection_(port, *this), listener_(listener) {}
  Connection& connection() { return connection_; }

 private:
  std::size_t receive(std::string_view bytes) override {
    constexpr std::string_view kLength = "content-length: ";
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    const std::size_t field = bytes.substr(0, end).find(kLength);
    const std::size_t length =
        field == std::string_view::npos ? 0 : std::stoul(std::string(bytes.substr(field + kLength.size(), 8)));
    const std::size_t whole = end + 4 + length;
    if (bytes.size() < whole) return 0;
    listener_.answered(std::stoi(std::string(bytes.substr(9, 3))), bytes.substr(end + 4, length));
    return whole;
  }

  Connection connection_;
  Listener& listener_;
};

class HttpClient final : public Client, HttpConnection::Listener {
 public:
  HttpClient(const Setup& setup, std::uint32_t index)
      : http_(setup.ports[0], *this), access_(post("/access", "{\"client\":" + std::to_string(index) + "}")),
        client_("{\"client\":" + std::to_string(index) + ",\"seat\":") {
    http_.connection().attach(setup.loop);
  }

  void access(Outcome& outcome) override {
    outcome_ = &outcome;
    accessing_ = true;
    http_.connection().send(access_);
  }

  void release(Outcome& outcome) override {
    outcome_ = &outcome;
    accessing_ = false;
    http_.connection().send(post("/release", client_ + seat_ + "}"));
  }

 private:
  void answered(int status, std::string_view body) override {
    if (accessing_ && status == 409) return outcome_->refused();
    if (status != (accessing_ ? 200 : 204)) fail("http: status", std::to_string(status).c_str());
    if (!accessing_) return outcome_->released();
    const std::size_t colon = body.find(':');
    seat_ = body.substr(colon + 1, body.size() - colon - 2);
    outcome_->granted();
  }

  HttpConnection http_;
  std::string access_;
  std::string client_;
  std::string seat_;
  Outcome* outcome_ = nullptr;
  bool accessing_ = false;
};

/// Empties the pool and gives it its size.
class Reset final : HttpConnection::Listener {
 public:
  Reset(std::uint16_t port, std::uint32_t seats) : http_(port, *this) {
    http_.connection().send(post("/reset", "{\"seats\":" + std::to_string(seats) + "}"));
    while (!done_) http_.connection().read_some();
  }

 private:
  void answered(int status, std::string_view) override {
    if (status != 204) fail("http: cannot reset");
    done_ = true;
  }

  HttpConnection http_;
  bool done_ = false;
};

class HttpDriver final : public Driver {
 public:
  explicit HttpDriver(const Setup& setup) : setup_(setup) {}

  std::vector<std::unique_ptr<Client>> open() override {
    const Reset reset(setup_.ports[0], setup_.seats);
    std::vector<std::unique_ptr<Client>> clients;
    for (std::uint32_t i = 0; i < setup_.clients; ++i) clients.push_back(std::make_unique<HttpClient>(setup_, i));
    return clients;
  }

 private:
  Setup setup_;
};

}  // namespace

std::unique_ptr<Driver> http_driver(const Setup& setup) { return std::make_unique<HttpDriver>(setup); }

}  // namespace load
