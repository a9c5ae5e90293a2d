// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace khtrace::net {

// A number of bytes that many holders share. Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // False, taking nothing, when `bytes` more would pass the limit.
  bool TryTake(size_t bytes) {
    size_t used = used_bytes_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_bytes_ - used) return false;
    } while (!used_bytes_.compare_exchange_weak(used, used + bytes));
    return true;
  }
  void GiveBack(size_t bytes) { used_bytes_ -= bytes; }
  size_t used_bytes() const { return used_bytes_; }

 private:
  const size_t limit_bytes_;
  std::atomic<size_t> used_bytes_{0};
};

// What one holder took; given back when this dies. External; borrows the
// budget, which must outlive every lease that holds bytes.
class ByteLease {
 public:
  explicit ByteLease(ByteBudget& budget) : budget_(&budget) {}
  ~ByteLease() { GiveBack(); }
  ByteLease(ByteLease&& other) noexcept
      : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
  ByteLease& operator=(ByteLease&& other) noexcept {
    if (this == &other) return *this;
    GiveBack();
    budget_ = other.budget_;
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }

  // Makes this lease at least `bytes` large; false when the budget has too
  // little left.
  bool GrowTo(size_t bytes) {
    if (bytes <= bytes_) return true;
    if (!budget_->TryTake(bytes - bytes_)) return false;
    bytes_ = bytes;
    return true;
  }
  // An empty lease never touches the budget, so it may outlive it.
  void GiveBack() {
    if (bytes_ > 0) budget_->GiveBack(std::exchange(bytes_, 0));
  }

 private:
  ByteBudget* budget_;
  size_t bytes_ = 0;
};

}  // namespace khtrace::net
