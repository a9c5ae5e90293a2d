// SPDX-License-Identifier: Apache-2.0
#include "analysis/error_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/hash.h"
#include "model/span_batch.h"

namespace khtrace::analysis {
namespace {

using aggregate::ErrorKey;
using aggregate::LatencyHistogram;
using aggregate::Partial;

// Spans on either side before their medians are compared.
constexpr uint64_t kMinCompared = 20;

// What an error's fingerprint is made of: it is the same wherever it happens.
struct Look {
  std::string_view type;
  std::string_view message;
  std::string_view frame;
  uint32_t frames = 0;

  bool operator==(const Look&) const = default;
};
struct LookHash {
  size_t operator()(const Look& look) const {
    return Hash64(look.message, Hash64(look.type, look.frames));
  }
};

// The same within one partial, where equal texts have equal numbers.
struct LookIds {
  uint32_t type = 0;
  uint32_t message = 0;
  uint32_t frame = 0;
  uint32_t frames = 0;

  explicit LookIds(const ErrorKey& key)
      : type(key.type.value),
        message(key.message.value),
        frame(key.frame.value),
        frames(key.frames) {}
  bool operator==(const LookIds&) const = default;
};
struct LookIdsHash {
  size_t operator()(const LookIds& ids) const {
    return Mix64(Mix64(uint64_t{ids.type} << 32 | ids.message) ^
                 (uint64_t{ids.frame} << 32 | ids.frames));
  }
};

Look LookOf(const Partial& partial, const ErrorKey& key) {
  return {partial.Text(key.type), partial.Text(key.message),
          partial.Text(key.frame), key.frames};
}

std::string FingerprintOf(const Look& look) {
  const std::string text =
      fmt::format("{}\n{}\n{:08x}", look.type, look.message, look.frames);
  return fmt::format("{:016x}", Hash64(text));
}

// Numbers of a service and an operation.
using Place = std::pair<uint32_t, uint32_t>;

struct Sums {
  Look look;
  ErrorPattern pattern;
  std::map<Place, ErrorPlace> places;
  aggregate::Earliest first;
  aggregate::Latest last;
};

using Times = boost::unordered_flat_map<Look, UnixNanos, LookHash>;

// When each look was first seen before the window.
Times FirstSeen(const Partial* history) {
  Times first;
  if (history == nullptr) return first;
  for (const auto& [key, cell] : history->errors) {
    const auto [at, added] =
        first.try_emplace(LookOf(*history, key), cell.first.start);
    if (!added) at->second = std::min(at->second, cell.first.start);
  }
  return first;
}

void Add(const ErrorKey& key, const aggregate::ErrorCell& cell,
         uint32_t first_minute, uint32_t minutes, Sums* sums) {
  ErrorPattern& pattern = sums->pattern;
  pattern.count += cell.count;
  pattern.failed_spans += cell.failed;
  sums->first = std::min(sums->first, cell.first);
  sums->last = std::max(sums->last, cell.last);
  ErrorPlace& place = sums->places[{key.service.value, key.operation.value}];
  place.count += cell.count;
  place.origins += cell.origins;
  const size_t slot =
      key.minute < first_minute ? 0 : (key.minute - first_minute) / minutes;
  if (slot < pattern.series.size()) pattern.series[slot] += cell.count;
}

// Medians of spans with an error against those without, by operation.
class Effects {
 public:
  explicit Effects(const Partial& partial) {
    for (const auto& [key, cell] : partial.red) {
      Sides& side =
          sides_[{partial.Text(key.service), partial.Text(key.operation)}];
      const bool failed = static_cast<model::StatusCode>(key.status) ==
                          model::StatusCode::kError;
      (failed ? side.failed : side.good).Merge(cell.durations);
    }
  }

  // That of the operation where the pattern occurs most.
  void Set(ErrorPattern* pattern) {
    const auto most =
        std::max_element(pattern->places.begin(), pattern->places.end(),
                         [](const ErrorPlace& a, const ErrorPlace& b) {
                           return a.count < b.count;
                         });
    if (most == pattern->places.end()) return;
    const auto side = sides_.find({most->service, most->operation});
    if (side == sides_.end()) return;
    Sides& sides = side->second;
    if (sides.failed.count() < kMinCompared ||
        sides.good.count() < kMinCompared) {
      return;
    }
    // Many patterns occur in one operation.
    if (!sides.is_known) Compare(&sides);
    pattern->has_latency_effect = true;
    pattern->latency_effect = sides.effect;
    pattern->latency_effect_interval = sides.interval;
  }

 private:
  struct Sides {
    LatencyHistogram failed;
    LatencyHistogram good;
    bool is_known = false;
    double effect = 0;
    Interval interval;
  };

  static void Compare(Sides* sides) {
    // 97.5 % each: together at least 95 %.
    const Interval slow = QuantileInterval(sides->failed, 0.5, 0.975);
    const Interval plain = QuantileInterval(sides->good, 0.5, 0.975);
    sides->effect = sides->failed.Quantile(0.5) - sides->good.Quantile(0.5);
    sides->interval = {slow.low - plain.high, slow.high - plain.low};
    sides->is_known = true;
  }

  std::map<std::pair<std::string_view, std::string_view>, Sides> sides_;
};

void SetPlaces(const Partial& partial, Sums* sums) {
  std::vector<ErrorPlace>& places = sums->pattern.places;
  for (auto& [ids, place] : sums->places) {
    place.service = partial.Text({ids.first});
    place.operation = partial.Text({ids.second});
    places.push_back(std::move(place));
  }
  std::sort(places.begin(), places.end(),
            [](const ErrorPlace& a, const ErrorPlace& b) {
              return std::tie(b.origins, b.count, a.service, a.operation) <
                     std::tie(a.origins, a.count, b.service, b.operation);
            });
}

void Finish(Window range, uint64_t all, Sums* sums) {
  ErrorPattern& pattern = sums->pattern;
  pattern.fingerprint = FingerprintOf(sums->look);
  pattern.type = sums->look.type;
  pattern.message = sums->look.message;
  pattern.frame = sums->look.frame;
  pattern.example = sums->first.trace_id;
  pattern.last_seen = sums->last.start;
  const auto count = static_cast<double>(pattern.count);
  if (all > 0) pattern.share = count / static_cast<double>(all);
  if (range.Minutes() > 0) pattern.per_min = count / range.Minutes();
  uint64_t peak = 0;
  for (const uint64_t bucket : pattern.series) {
    pattern.active_buckets += bucket > 0;
    peak = std::max(peak, bucket);
  }
  if (count > 0) pattern.peak_share = static_cast<double>(peak) / count;
}

}  // namespace

std::vector<ErrorPattern> FindErrorPatterns(const ErrorInput& input) {
  const Partial& window = *input.window;
  const Times before = FirstSeen(input.history);
  const Times previous = FirstSeen(input.previous);
  const uint32_t first = aggregate::BucketOf(input.range.start, input.minutes);
  const uint32_t last = aggregate::BucketOf(
      {std::max(input.range.end.ns, input.range.start.ns + 1) - 1},
      input.minutes);
  boost::unordered_flat_map<LookIds, size_t, LookIdsHash> places;
  std::vector<Sums> found;
  uint64_t all = 0;
  for (const auto& [key, cell] : window.errors) {
    const auto [place, added] = places.try_emplace(LookIds(key), found.size());
    if (added) {
      Sums& sums = found.emplace_back();
      sums.look = LookOf(window, key);
      sums.pattern.series.resize((last - first) / input.minutes + 1);
    }
    Add(key, cell, first, input.minutes, &found[place->second]);
    all += cell.count;
  }
  Effects effects(window);
  std::vector<ErrorPattern> patterns;
  patterns.reserve(found.size());
  for (Sums& sums : found) {
    ErrorPattern& pattern = sums.pattern;
    SetPlaces(window, &sums);
    Finish(input.range, all, &sums);
    const auto known = before.find(sums.look);
    pattern.is_new = known == before.end();
    pattern.regressed = !pattern.is_new && !previous.contains(sums.look);
    pattern.first_seen = pattern.is_new
                             ? sums.first.start
                             : std::min(known->second, sums.first.start);
    effects.Set(&pattern);
    patterns.push_back(std::move(pattern));
  }
  std::sort(patterns.begin(), patterns.end(),
            [](const ErrorPattern& a, const ErrorPattern& b) {
              return a.count != b.count ? a.count > b.count
                                        : a.fingerprint < b.fingerprint;
            });
  return patterns;
}

}  // namespace khtrace::analysis
