// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_scrubber.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"

namespace khtrace::storage::columnar {
namespace {

using std::chrono::nanoseconds;

// The first round after a start. Larger: a store that is often restarted is
// checked less; smaller: the start is disturbed.
constexpr std::chrono::minutes kFirstRound{10};

// What may be caught up on at once after a merge that took long.
constexpr std::chrono::seconds kMostAtOnce{2};

}  // namespace

PartScrubber::PartScrubber(StoreContext& context)
    : context_(context),
      last_step_(context.clock.Monotonic()),
      next_round_(
          last_step_ +
          std::min<nanoseconds>(kFirstRound, context.options.scrub_interval)) {}

void PartScrubber::Step(const TenantList& tenants) {
  const uint64_t rate = context_.options.scrub_bytes_per_second;
  const nanoseconds now = context_.clock.Monotonic();
  const nanoseconds elapsed =
      std::min<nanoseconds>(now - last_step_, kMostAtOnce);
  last_step_ = now;
  if (rate == 0) return;
  if (parts_.empty()) {
    if (now < next_round_) return;
    Begin(tenants);
  }
  const auto allowed =
      static_cast<uint64_t>(static_cast<double>(rate) *
                            std::chrono::duration<double>(elapsed).count());
  const uint64_t until = round_bytes_ + allowed;
  while (!parts_.empty() && round_bytes_ < until) {
    if (Check(until - round_bytes_) && !progress_.done) continue;
    parts_.pop_front();
    progress_ = {};
  }
  if (parts_.empty()) Finish();
}

void PartScrubber::Begin(const TenantList& tenants) {
  began_ = context_.clock.Monotonic();
  next_round_ = began_ + context_.options.scrub_interval;
  round_parts_ = round_bytes_ = round_damage_ = 0;
  for (const auto& tenant : tenants) {
    const TenantView view = tenant->View();
    parts_.insert(parts_.end(), view.parts->begin(), view.parts->end());
  }
}

bool PartScrubber::Check(uint64_t max_bytes) {
  const std::shared_ptr<const Part> part = parts_.front().lock();
  if (part == nullptr) return false;
  std::vector<Error> damage;
  const uint64_t before = progress_.bytes;
  part->Scrub(max_bytes, &progress_, &damage);
  const uint64_t read = progress_.bytes - before;
  round_bytes_ += read;
  context_.counters.scrubbed_bytes += read;
  for (const Error& error : damage) context_.damage.Note(part->path(), error);
  round_damage_ += damage.size();
  if (progress_.done) {
    ++round_parts_;
    ++context_.counters.scrubbed_parts;
  }
  return true;
}

void PartScrubber::Finish() {
  ++context_.counters.scrub_rounds;
  if (round_parts_ == 0) return;
  log::Info("{}: checked {} of {} parts; {} damaged places; {}",
            context_.options.data_dir, FormatByteSize(round_bytes_),
            round_parts_, round_damage_,
            FormatDurationShort(context_.clock.Monotonic() - began_));
}

}  // namespace khtrace::storage::columnar
