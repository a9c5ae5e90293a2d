// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>

namespace khtrace {

// Nanoseconds since 1970-01-01 UTC, as OTLP's fixed64 times: every value a
// sender can write is representable (up to the year 2554).
struct UnixNanos {
  uint64_t ns = 0;

  auto operator<=>(const UnixNanos&) const = default;

  static constexpr UnixNanos Max() { return {UINT64_MAX}; }
  // Saturate instead of wrapping: a time range never turns inside out.
  constexpr UnixNanos Plus(std::chrono::nanoseconds d) const {
    return d.count() < 0 ? Earlier(Magnitude(d)) : Later(Magnitude(d));
  }
  constexpr UnixNanos Minus(std::chrono::nanoseconds d) const {
    return d.count() < 0 ? Later(Magnitude(d)) : Earlier(Magnitude(d));
  }

 private:
  // Unsigned: the least duration has no positive counterpart.
  static constexpr uint64_t Magnitude(std::chrono::nanoseconds d) {
    const auto count = static_cast<uint64_t>(d.count());
    return d.count() < 0 ? 0 - count : count;
  }
  constexpr UnixNanos Later(uint64_t by) const {
    return {ns > UINT64_MAX - by ? UINT64_MAX : ns + by};
  }
  constexpr UnixNanos Earlier(uint64_t by) const {
    return {ns < by ? 0 : ns - by};
  }
};

// Where time comes from. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixNanos Now() const = 0;
  // Never goes back; its zero means nothing.
  virtual std::chrono::nanoseconds Monotonic() const = 0;

  static Clock& System();
};

// A clock that stands still until it is told to move.
class FakeClock : public Clock {
 public:
  explicit FakeClock(UnixNanos start) : now_(start.ns) {}
  UnixNanos Now() const override { return {now_.load()}; }
  std::chrono::nanoseconds Monotonic() const override {
    return std::chrono::nanoseconds(monotonic_.load());
  }
  void Advance(std::chrono::nanoseconds d) {
    now_ += static_cast<uint64_t>(d.count());
    monotonic_ += d.count();
  }
  // Moves the wall clock alone, as an administrator or NTP does.
  void SetNow(UnixNanos now) { now_ = now.ns; }

 private:
  std::atomic<uint64_t> now_;
  std::atomic<int64_t> monotonic_{0};
};

}  // namespace khtrace
