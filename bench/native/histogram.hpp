// Latencies in log-linear buckets: exact below 128 ns, above it 128 buckets for each power of two, so that a value read
// back is at most 0.8 % above the one recorded. Recording is an increment; nothing is allocated after construction.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tmr::bench {

class Histogram {
 public:
  Histogram() : counts_(bucket_count) {}

  void record(std::uint64_t nanoseconds) noexcept {
    counts_[index_of(nanoseconds)]++;
    count_++;
    sum_ += nanoseconds;
    max_ = std::max(max_, nanoseconds);
  }

  std::uint64_t count() const noexcept { return count_; }
  std::uint64_t max() const noexcept { return max_; }
  double mean() const noexcept { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }

  /// The value that `part` (0 to 1) of all values do not exceed: the upper end of its bucket. 0 when empty.
  std::uint64_t quantile(double part) const noexcept {
    if (count_ == 0) return 0;
    const auto exact = static_cast<std::uint64_t>(part * static_cast<double>(count_) + 0.999999);
    const std::uint64_t rank = std::clamp<std::uint64_t>(exact, 1, count_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); i++) {
      seen += counts_[i];
      if (seen >= rank) return std::min(highest_of(i), max_);
    }
    return max_;
  }

  void clear() noexcept {
    std::fill(counts_.begin(), counts_.end(), 0);
    count_ = sum_ = max_ = 0;
  }

  static std::size_t index_of(std::uint64_t value) noexcept {
    if (value < linear) return static_cast<std::size_t>(value);
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - linear_bits;
    return (shift + 1) * linear + static_cast<std::size_t>((value >> shift) - linear);
  }
  /// The largest value of a bucket.
  static std::uint64_t highest_of(std::size_t index) noexcept {
    if (index < linear) return index;
    const auto shift = static_cast<unsigned>(index / linear - 1);
    const std::uint64_t step = index % linear + linear;
    return ((step + 1) << shift) - 1;
  }

 private:
  static constexpr unsigned linear_bits = 7;
  static constexpr std::uint64_t linear = std::uint64_t{1} << linear_bits;
  static constexpr std::size_t bucket_count = (64 - linear_bits + 1) * linear;

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace tmr::bench
