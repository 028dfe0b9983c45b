// The tables and queues that the orderer is made of.
#include <cstring>
#include <string>
#include <vector>

#include "gateway/batch_ring.hpp"
#include "gateway/client_table.hpp"
#include "gateway/request_queue.hpp"
#include "test/check.hpp"
#include "wire/message.hpp"

using namespace tmr;

namespace {

struct Record {
  explicit Record(std::uint8_t mark) { bytes[RequestField::quantity] = mark; }
  std::uint8_t bytes[REQUEST_BYTES] = {};
};

std::string marks_of(RequestQueue& queue) {
  std::string marks;
  for (; !queue.empty(); queue.pop_front()) marks += static_cast<char>(queue.front().record[RequestField::quantity]);
  return marks;
}

}  // namespace

TEST("requests leave in the order in which they came, and those put back come first") {
  RequestQueue queue(8, 4);
  for (const char mark : {'c', 'd', 'e'}) {
    CHECK(queue.push_back(0, 0, Record(static_cast<std::uint8_t>(mark)).bytes, {}));
  }
  CHECK(queue.push_front(1, 1, Record('b').bytes, {}));
  CHECK(queue.push_front(1, 1, Record('a').bytes, {}));
  CHECK(queue.size() == 5);
  CHECK(marks_of(queue) == "abcde");
  CHECK(queue.size() == 0);
}

TEST("requests of a client that leaves go, wherever they stand, and their places are free again") {
  RequestQueue queue(6, 3);
  const char* order = "012012";
  for (std::uint32_t i = 0; i < 6; i++) {
    const std::uint32_t client = static_cast<std::uint32_t>(order[i] - '0');
    CHECK(queue.push_back(client, client, Record(static_cast<std::uint8_t>('a' + i)).bytes, {}));
  }
  CHECK(!queue.push_back(0, 0, Record('x').bytes, {}));
  CHECK(queue.size_of(0) == 2 && queue.size_of(1) == 2 && queue.size_of(2) == 2);
  queue.remove_client(1);
  CHECK(queue.size() == 4 && queue.size_of(1) == 0);
  CHECK(queue.push_back(1, 1, Record('g').bytes, {}));
  queue.pop_front();
  CHECK(queue.size_of(0) == 1 && queue.size_of(1) == 1 && queue.size_of(2) == 2);
  queue.remove_client(0);
  queue.remove_client(0);
  CHECK(marks_of(queue) == "cfg");
}

TEST("a batch takes no more requests than it may, and none overtakes one that does not fit") {
  RequestQueue queue(8, 1);
  const std::vector<std::uint8_t> blob(10);
  CHECK(queue.push_back(0, 0, Record('a').bytes, Bytes(blob).first(4)));
  CHECK(queue.push_back(0, 0, Record('b').bytes, blob));
  CHECK(queue.push_back(0, 0, Record('c').bytes, {}));
  CHECK(queue.fit(8, 100).count == 3 && queue.fit(8, 100).blob_bytes == 14);
  CHECK(queue.fit(2, 100).count == 2);
  CHECK(queue.fit(8, 13).count == 1 && queue.fit(8, 13).blob_bytes == 4);
  CHECK(queue.fit(8, 3).count == 0);
  CHECK(queue.fit(0, 100).count == 0);
}

TEST("an answer to a client that left does not reach the next one in its slot") {
  ClientTable clients(1, 4096);
  const std::uint32_t first = clients.add();
  CHECK(clients.add() == ClientTable::none);
  clients.remove(first);
  const std::uint32_t second = clients.add();
  CHECK(second != first && clients.slot_of(second) == 0);
  CHECK(!clients.queue(first, Record('a').bytes, {}));
  CHECK(clients.is_closed(first) && !clients.is_closed(second));
  CHECK(clients.take_packet(second).empty());
}

TEST("a slot is used again only after all others that are free") {
  ClientTable clients(3, 4096);
  const std::uint32_t a = clients.add();
  const std::uint32_t b = clients.add();
  clients.remove(a);
  const std::uint32_t c = clients.add();
  CHECK(clients.slot_of(c) != ClientTable::none && clients.slot_of(b) != clients.slot_of(c));
  const std::uint32_t d = clients.add();
  CHECK(clients.slot_of(d) == 0 && d != a);
}

TEST("answers are packed into packets that fit one frame, blobs one behind the other") {
  ClientTable clients(2, 1 << 20);
  const std::uint32_t client = clients.add();
  const std::vector<std::uint8_t> blob(20'000, 0x55);
  for (int i = 0; i < 5; i++) CHECK(clients.queue(client, Record(static_cast<std::uint8_t>(i)).bytes, blob));
  std::uint32_t expected_counts[] = {3, 2};
  std::uint8_t next = 0;
  for (const std::uint32_t count : expected_counts) {
    const Bytes packet = clients.take_packet(client);
    CHECK(packet.size() <= MAX_PACKET_BYTES);
    const std::optional<MessageView> message = parse_message(packet);
    CHECK(message && message->type == MessageType::results && message->count == count);
    const std::optional<RecordsView> parts = split_records(*message, 0);
    CHECK(parts.has_value());
    for (std::size_t i = 0; i < count; i++) {
      const std::uint8_t* record = parts->records.data() + i * RESULT_BYTES;
      CHECK(record[ResultField::quantity] == next++);
      CHECK(load_u32(record + ResultField::blobOffset) == i * blob.size());
      CHECK(equal(blob_of(record, parts->blobs), blob));
    }
  }
  CHECK(clients.take_packet(client).empty());
}

TEST("a client with too many unsent answers is closed and named once as dirty") {
  ClientTable clients(4, 300);
  const std::uint32_t client = clients.add();
  CHECK(clients.queue(client, Record('a').bytes, {}));
  CHECK(clients.queue(client, Record('b').bytes, {}));
  CHECK(!clients.queue(client, Record('c').bytes, {}));
  CHECK(clients.is_closed(client) && clients.take_packet(client).empty());
  std::uint32_t out[4];
  CHECK(clients.dirty(out) == 1 && out[0] == client);
  CHECK(clients.dirty(out) == 0);
}

TEST("dirty clients are named once for their answers, all of them in portions") {
  ClientTable clients(5, 4096);
  std::uint32_t all[5];
  for (std::uint32_t& client : all) {
    client = clients.add();
    clients.queue(client, Record('a').bytes, {});
    clients.queue(client, Record('b').bytes, {});
  }
  clients.remove(all[1]);
  CHECK(!clients.take_packet(all[2]).empty());
  std::uint32_t out[2];
  CHECK(clients.dirty(out) == 2 && out[0] == all[0] && out[1] == all[3]);
  CHECK(clients.dirty(out) == 1 && out[0] == all[4]);
  CHECK(clients.dirty(out) == 0);
}

TEST("the ring of batches keeps the last ones and forgets the oldest for the newest") {
  BatchRing ring(3, 2);
  for (std::uint64_t position = 1; position <= 5; position++) ring.claim(position).routes.resize(position);
  CHECK(ring.find(2) == nullptr && ring.find(0) == nullptr && ring.find(6) == nullptr);
  for (std::uint64_t position = 3; position <= 5; position++) {
    CHECK(ring.find(position) != nullptr && ring.find(position)->count() == position);
  }
  ring.clear();
  CHECK(ring.find(5) == nullptr);
}

TEST("ballots belong to the newest positions only, and go on to the next once they were let go") {
  BatchRing ring(4, 2);
  BatchSlot& first = ring.claim(1);
  first.ballots[0].present = true;
  BatchSlot& second = ring.claim(2);
  CHECK(second.ballots.data() != first.ballots.data() && !second.ballots[0].present);
  StoredBallot* const freed = first.ballots.data();
  first.let_ballots_go();
  CHECK(first.ballots.empty());
  CHECK(ring.claim(3).ballots.data() == freed && !freed->present);
}
