// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

namespace khtrace {
namespace {

class SystemClock : public Clock {
 public:
  UnixNanos Now() const override {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return {static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(since).count())};
  }
  std::chrono::nanoseconds Monotonic() const override {
    return std::chrono::steady_clock::now().time_since_epoch();
  }
};

}  // namespace

Clock& Clock::System() {
  static SystemClock clock;
  return clock;
}

}  // namespace khtrace
