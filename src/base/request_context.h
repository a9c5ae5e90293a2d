// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace khtrace {

// The tenant of every request while multi-tenancy is off.
inline constexpr const char* kDefaultTenant = "default";

// Who asks and for how long the answer matters. Long work takes one by const
// reference and calls Check() once per block of work. Copyable; thread-safe.
struct RequestContext {
  std::string tenant = kDefaultTenant;
  // On Clock::Monotonic(); max() = none.
  std::chrono::nanoseconds deadline = std::chrono::nanoseconds::max();
  std::stop_token stop;  // the client went away, or we shut down
  const Clock* clock = &Clock::System();

  // kCancelled, kDeadlineExceeded, or fine.
  Status Check() const {
    if (stop.stop_requested()) {
      return Error{Code::kCancelled, "the request was cancelled"};
    }
    if (deadline != std::chrono::nanoseconds::max() &&
        clock->Monotonic() > deadline) {
      return Error{Code::kDeadlineExceeded, "the request ran out of time"};
    }
    return {};
  }
};

// Tenant names become directory names: 1 to 150 of [A-Za-z0-9_.-], none
// beginning with a dot. kInvalidArgument quotes the offending name.
Status ValidateTenant(const std::string& tenant);

}  // namespace khtrace
