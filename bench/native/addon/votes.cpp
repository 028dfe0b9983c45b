// The vote over three equal ballots, and the comparison of memory that it cannot be faster than.
#include <algorithm>
#include <vector>

#include "bench_addon.hpp"
#include "vote/vote.hpp"
#include "wire/message.hpp"

namespace tmr::bench {

namespace {

/// A vote message of this upstream with results and blobs that any upstream would give.
std::vector<std::uint8_t> vote_message(int upstream, std::size_t count, std::size_t blob_bytes) {
  const std::size_t body = VOTE_HEADER_BYTES + count * (RESULT_BYTES + blob_bytes);
  std::vector<std::uint8_t> message(MESSAGE_HEADER_BYTES + body);
  write_message_header(message, MessageType::vote, body, static_cast<std::uint32_t>(count), count * blob_bytes);
  std::uint8_t* vote = message.data() + MESSAGE_HEADER_BYTES;
  store_u64(vote + VoteField::epoch, 3);
  store_u64(vote + VoteField::position, 4);
  vote[VoteField::upstream] = static_cast<std::uint8_t>(upstream);
  for (std::size_t i = 0; i < count; i++) {
    std::uint8_t* record = vote + VOTE_HEADER_BYTES + i * RESULT_BYTES;
    store_u64(record + ResultField::request, i + 1);
    store_u64(record + ResultField::handle, 1000 + i);
    set_blob_range(record, i * blob_bytes, blob_bytes);
    std::uint8_t* blob = vote + VOTE_HEADER_BYTES + count * RESULT_BYTES + i * blob_bytes;
    for (std::size_t at = 0; at < blob_bytes; at++) blob[at] = static_cast<std::uint8_t>(at * 3 + i);
  }
  return message;
}

/// Three equal ballots, and the place for what is found out about each record: its verdict, then who agrees.
class OnBallots : public Measured {
 public:
  OnBallots(std::size_t count, std::size_t blob_bytes, std::size_t times) : times_(times), count_(count), found_(2 * count) {
    for (int upstream = 1; upstream <= 3; upstream++) {
      std::vector<std::uint8_t>& message = messages_[upstream - 1];
      message = vote_message(upstream, count, blob_bytes);
      ballots_[upstream - 1].state = Ballot::State::present;
      ballots_[upstream - 1].vote = parse_vote(message).value();
    }
  }
  Bytes output() const override { return found_; }

 protected:
  const std::size_t times_;
  const std::size_t count_;
  std::array<std::vector<std::uint8_t>, 3> messages_;
  Ballots ballots_;
  std::vector<std::uint8_t> found_;
};

class Voting final : public OnBallots {
 public:
  using OnBallots::OnBallots;
  void run() override {
    static_assert(sizeof(Verdict) == 1);
    std::fill(found_.begin(), found_.end(), 0xff);
    for (std::size_t i = 0; i < times_; i++) {
      forget_memory();
      count_votes(ballots_, {reinterpret_cast<Verdict*>(found_.data()), count_}, std::span(found_).last(count_));
    }
  }
};

class Comparing final : public OnBallots {
 public:
  using OnBallots::OnBallots;
  void run() override {
    std::fill(found_.begin(), found_.end(), 0xff);
    const VoteView& first = ballots_[0].vote;
    for (std::size_t i = 0; i < times_; i++) {
      forget_memory();
      bool same = true;
      for (const int other : {1, 2}) {
        const VoteView& vote = ballots_[other].vote;
        same = same && std::memcmp(first.records.data(), vote.records.data(), first.records.size()) == 0 &&
               std::memcmp(first.blobs.data(), vote.blobs.data(), first.blobs.size()) == 0;
      }
      equal_ = equal_ && same;
    }
    // Said once: a comparison of memory tells nothing about a record.
    std::fill_n(found_.begin(), count_, static_cast<std::uint8_t>(equal_ ? Verdict::carried : Verdict::split));
    std::fill_n(found_.begin() + static_cast<std::ptrdiff_t>(count_), count_, equal_ ? 7 : 0);
  }

 private:
  bool equal_ = true;
};

}  // namespace

Measured* new_vote(std::size_t count, std::size_t blob_bytes, std::size_t times) {
  return new Voting(count, blob_bytes, times);
}

Measured* new_compare(std::size_t count, std::size_t blob_bytes, std::size_t times) {
  return new Comparing(count, blob_bytes, times);
}

}  // namespace tmr::bench
