// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/damage_log.h"

#include "base/log.h"

namespace khtrace::storage::columnar {
namespace {

// Of one part: a whole broken file would fill memory and log.
constexpr size_t kMaxPlaces = 100;

}  // namespace

void DamageLog::Note(const std::string& part, const Error& damage) {
  {
    MutexLock lock(mu_);
    ++encounters_;
    std::set<std::string>& places = by_part_[part];
    if (places.size() >= kMaxPlaces) return;
    if (!places.insert(damage.message).second) return;
    ++places_;
  }
  log::Error("damaged, and left out of answers: {}", damage.message);
}

bool DamageLog::IsDamaged(const std::string& part) const {
  MutexLock lock(mu_);
  return by_part_.contains(part);
}

void DamageLog::Forget(const std::string& part) {
  MutexLock lock(mu_);
  by_part_.erase(part);
}

uint64_t DamageLog::places() const {
  MutexLock lock(mu_);
  return places_;
}

uint64_t DamageLog::parts() const {
  MutexLock lock(mu_);
  return by_part_.size();
}

uint64_t DamageLog::encounters() const {
  MutexLock lock(mu_);
  return encounters_;
}

}  // namespace khtrace::storage::columnar
