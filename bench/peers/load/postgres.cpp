// PostgreSQL row locks: a seat is a row. A client first tries the row it had before, by primary key; when that is taken,
// any free row with FOR UPDATE SKIP LOCKED. Statements are prepared; each is a transaction of its own. Clients share a
// pool of connections, as they would through a pooler: a backend process per client costs PostgreSQL more than the wait.
#include <algorithm>
#include <deque>
#include <string>
#include <utility>

#include "client.hpp"
#include "connection.hpp"

namespace load {
namespace {

constexpr std::string_view kTakeOwn = "UPDATE seats SET holder=$1 WHERE id=$2 AND holder IS NULL RETURNING id";
constexpr std::string_view kTakeAny =
    "UPDATE seats SET holder=$1 WHERE id=(SELECT id FROM seats WHERE holder IS NULL LIMIT 1 FOR UPDATE SKIP LOCKED) "
    "RETURNING id";
constexpr std::string_view kGive = "UPDATE seats SET holder=NULL WHERE id=$1 AND holder=$2 RETURNING id";

void put_message(std::string& out, char type, std::string_view body) {
  out.push_back(type);
  put32(out, static_cast<std::uint32_t>(body.size() + 4));
  out += body;
}

void put_zero_ended(std::string& out, std::string_view text) {
  out += text;
  out.push_back('\0');
}

/// Binds text parameters to a prepared statement, executes it, and asks for the end of the transaction.
std::string execution(std::string_view statement, std::initializer_list<std::string_view> parameters) {
  std::string bind;
  put_zero_ended(bind, "");
  put_zero_ended(bind, statement);
  put16(bind, 0);  // all parameters are text
  put16(bind, static_cast<std::uint16_t>(parameters.size()));
  for (const std::string_view parameter : parameters) {
    put32(bind, static_cast<std::uint32_t>(parameter.size()));
    bind += parameter;
  }
  put16(bind, 0);  // and so are results
  std::string out;
  put_message(out, 'B', bind);
  put_message(out, 'E', std::string(5, '\0'));
  put_message(out, 'S', "");
  return out;
}

/// One backend; answers with the id of the row that a statement changed, or nothing.
class Backend final : public Receiver {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void answered(Backend& backend, std::string_view id) = 0;
  };

  Backend(std::uint16_t port, Listener& listener) : connection_(port, *this), listener_(listener) {
    std::string hello;
    put32(hello, 196'608);  // protocol 3.0
    for (const std::string_view text : {"user", "postgres", "database", "postgres", ""}) put_zero_ended(hello, text);
    std::string out;
    put32(out, static_cast<std::uint32_t>(hello.size() + 4));
    connection_.send(out + hello);
    wait();
  }

  Connection& connection() { return connection_; }

  void prepare(std::string_view name, std::string_view statement) {
    std::string parse;
    put_zero_ended(parse, name);
    put_zero_ended(parse, statement);
    put16(parse, 0);
    std::string out;
    put_message(out, 'P', parse);
    put_message(out, 'S', "");
    connection_.send(out);
    wait();
  }

  void query(std::string_view text) {
    std::string body;
    put_zero_ended(body, text);
    std::string out;
    put_message(out, 'Q', body);
    connection_.send(out);
    wait();
  }

  void attach(Loop& loop) {
    attached_ = true;
    connection_.attach(loop);
  }

 private:
  void wait() {
    for (ready_ = false; !ready_;) connection_.read_some();
  }

  std::size_t receive(std::string_view bytes) override {
    std::size_t at = 0;
    while (bytes.size() - at >= 5) {
      const std::size_t length = get32(bytes, at + 1);
      if (bytes.size() - at < 1 + length) break;
      const char type = bytes[at];
      const std::string_view body = bytes.substr(at + 5, length - 4);
      at += 1 + length;
      take(type, body);
    }
    return at;
  }

  void take(char type, std::string_view body) {
    if (type == 'E') fail("postgres:", std::string(body).c_str());
    if (type == 'R' && get32(body, 0) != 0) fail("postgres: asks for a password");
    // One column: after its count comes its length.
    if (type == 'D') id_ = body.substr(6, get32(body, 2));
    if (type != 'Z') return;
    ready_ = true;
    const std::string id = std::exchange(id_, {});
    if (attached_) listener_.answered(*this, id);
  }

  Connection connection_;
  Listener& listener_;
  std::string id_;
  bool ready_ = false;
  bool attached_ = false;
};

class PostgresClient;

/// The backends, and who waits for one.
class Pool final : public Backend::Listener {
 public:
  Pool(const Setup& setup, std::uint32_t most_connections);
  void run(PostgresClient& client);

 private:
  struct Entry {
    std::unique_ptr<Backend> backend;
    PostgresClient* client = nullptr;
  };

  void answered(Backend& backend, std::string_view id) override;
  void assign(Entry& entry);

  std::vector<Entry> entries_;
  std::vector<Entry*> idle_;
  std::deque<PostgresClient*> waiting_;
};

class PostgresClient final : public Client {
 public:
  PostgresClient(Pool& pool, std::uint32_t index, std::uint32_t seats)
      : pool_(pool), holder_(std::to_string(index)), seat_(std::to_string(index % seats)) {}

  void access(Outcome& outcome) override {
    outcome_ = &outcome;
    begin(was_refused_ ? Step::take_any : Step::take_own);
  }

  void release(Outcome& outcome) override {
    outcome_ = &outcome;
    begin(Step::give);
  }

  std::string statement() const {
    if (step_ == Step::take_own) return execution("own", {holder_, seat_});
    if (step_ == Step::take_any) return execution("any", {holder_});
    return execution("give", {seat_, holder_});
  }

  void answered(std::string_view id) {
    if (step_ == Step::give) {
      if (id.empty()) fail("postgres: the seat was not there");
      return outcome_->released();
    }
    if (id.empty() && step_ == Step::take_own) return begin(Step::take_any);
    was_refused_ = id.empty();
    if (was_refused_) return outcome_->refused();
    seat_ = id;
    outcome_->granted();
  }

 private:
  enum class Step { take_own, take_any, give };

  void begin(Step step) {
    step_ = step;
    pool_.run(*this);
  }

  Pool& pool_;
  std::string holder_;
  std::string seat_;
  Outcome* outcome_ = nullptr;
  Step step_ = Step::take_own;
  bool was_refused_ = false;
};

Pool::Pool(const Setup& setup, std::uint32_t most_connections)
    : entries_(std::min(setup.clients, most_connections)) {
  for (Entry& entry : entries_) {
    entry.backend = std::make_unique<Backend>(setup.ports[0], *this);
    if (&entry == &entries_.front()) {
      // Half-empty pages: a changed row stays on its page, so the index is left alone and dead rows go away by themselves.
      entry.backend->query(
          "DROP TABLE IF EXISTS seats; CREATE TABLE seats(id int PRIMARY KEY, holder int) WITH (fillfactor=20); "
          "INSERT INTO seats SELECT i FROM generate_series(0, " +
          std::to_string(setup.seats - 1) + ") i; ANALYZE seats");
    }
    entry.backend->prepare("own", kTakeOwn);
    entry.backend->prepare("any", kTakeAny);
    entry.backend->prepare("give", kGive);
    entry.backend->attach(setup.loop);
    idle_.push_back(&entry);
  }
}

void Pool::run(PostgresClient& client) {
  waiting_.push_back(&client);
  if (idle_.empty()) return;
  Entry* entry = idle_.back();
  idle_.pop_back();
  assign(*entry);
}

void Pool::assign(Entry& entry) {
  entry.client = waiting_.front();
  waiting_.pop_front();
  entry.backend->connection().send(entry.client->statement());
}

void Pool::answered(Backend& backend, std::string_view id) {
  const auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& each) {
    return each.backend.get() == &backend;
  });
  PostgresClient* client = entry->client;
  // Who waits goes first; the backend of the client that was answered is free again.
  if (waiting_.empty()) {
    idle_.push_back(&*entry);
  } else {
    assign(*entry);
  }
  client->answered(id);
}

class PostgresDriver final : public Driver {
 public:
  PostgresDriver(const Setup& setup, std::uint32_t most_connections)
      : setup_(setup), most_connections_(most_connections) {}

  std::vector<std::unique_ptr<Client>> open() override {
    pool_ = std::make_unique<Pool>(setup_, most_connections_);
    std::vector<std::unique_ptr<Client>> clients;
    for (std::uint32_t i = 0; i < setup_.clients; ++i) {
      clients.push_back(std::make_unique<PostgresClient>(*pool_, i, setup_.seats));
    }
    return clients;
  }

 private:
  Setup setup_;
  std::uint32_t most_connections_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace

std::unique_ptr<Driver> postgres_driver(const Setup& setup, std::uint32_t most_connections) {
  return std::make_unique<PostgresDriver>(setup, most_connections);
}

}  // namespace load
