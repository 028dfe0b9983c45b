// The load generator's histogram against sorted values.
#include "../histogram.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "test/check.hpp"

using tmr::bench::Histogram;

TEST("a histogram's buckets follow one another without gap or overlap") {
  std::uint64_t lowest = 0;
  bool holds = true;
  for (std::size_t index = 0; index < 5000; index++) {
    const std::uint64_t highest = Histogram::highest_of(index);
    holds = holds && Histogram::index_of(lowest) == index && Histogram::index_of(highest) == index;
    lowest = highest + 1;
  }
  CHECK(holds);
  CHECK(Histogram::highest_of(Histogram::index_of(UINT64_MAX)) == UINT64_MAX);
}

TEST("a histogram's quantile is at most 0.8 % above the value that sorting finds") {
  Histogram histogram;
  std::vector<std::uint64_t> values;
  std::uint64_t state = 88172645463325252ULL;
  for (int i = 0; i < 20'000; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    // From nanoseconds to about 70 s, all magnitudes alike.
    const std::uint64_t value = (state >> 28) >> (state % 30);
    values.push_back(value);
    histogram.record(value);
  }
  std::sort(values.begin(), values.end());
  bool holds = true;
  for (const double part : {0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(part * 20'000 + 0.5);
    const std::uint64_t exact = values[rank - 1];
    const std::uint64_t read = histogram.quantile(part);
    holds = holds && read >= exact && static_cast<double>(read) <= static_cast<double>(exact) * 1.008;
  }
  CHECK(holds);
  CHECK(histogram.quantile(1) == values.back());
  CHECK(histogram.count() == 20'000);
}

TEST("an empty histogram has no time to tell") {
  Histogram histogram;
  CHECK(histogram.quantile(0.99) == 0);
  CHECK(histogram.mean() == 0);
  histogram.record(5);
  histogram.clear();
  CHECK(histogram.count() == 0 && histogram.max() == 0);
}
