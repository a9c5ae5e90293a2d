// SPDX-License-Identifier: Apache-2.0
#include "telemetry/health.h"

#include <algorithm>
#include <utility>

namespace khtrace::telemetry {

void Health::Set(const std::string& component, bool ok, std::string reason) {
  MutexLock lock(mu_);
  components_[component] = {component, ok, std::move(reason)};
}

void Health::SetStarting(const std::string& component) {
  Set(component, false, "starting");
}

void Health::SetOk(const std::string& component) { Set(component, true, ""); }

void Health::SetFailing(const std::string& component, std::string reason) {
  Set(component, false, std::move(reason));
}

bool Health::AllOk() const {
  MutexLock lock(mu_);
  return !components_.empty() &&
         std::all_of(components_.begin(), components_.end(),
                     [](const auto& entry) { return entry.second.ok; });
}

std::vector<ComponentHealth> Health::Snapshot() const {
  MutexLock lock(mu_);
  std::vector<ComponentHealth> all;
  all.reserve(components_.size());
  for (const auto& [name, health] : components_) all.push_back(health);
  return all;
}

}  // namespace khtrace::telemetry
