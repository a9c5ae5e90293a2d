// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/mutex.h"

namespace khtrace::telemetry {

struct ComponentHealth {
  std::string component;  // "storage", "otlp_grpc"
  bool ok = false;
  std::string reason;  // why not; empty if ok

  bool operator==(const ComponentHealth&) const = default;
};

// Whether each component works, told by itself; app/ owns the one instance.
// Guarded; every call is quick.
class Health {
 public:
  // The component exists and is not ready yet: not ok, reason "starting".
  void SetStarting(const std::string& component);
  void SetOk(const std::string& component);
  // `reason` is for people and without secrets, e.g. an Error's message.
  void SetFailing(const std::string& component, std::string reason);

  // Every component that spoke up is ok, and there is at least one.
  bool AllOk() const;
  // Ordered by name.
  std::vector<ComponentHealth> Snapshot() const;

 private:
  void Set(const std::string& component, bool ok, std::string reason)
      KHTRACE_EXCLUDES(mu_);

  mutable Mutex mu_;
  std::map<std::string, ComponentHealth> components_ KHTRACE_GUARDED_BY(mu_);
};

}  // namespace khtrace::telemetry
