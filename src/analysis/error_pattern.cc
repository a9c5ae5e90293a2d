// SPDX-License-Identifier: Apache-2.0
#include "analysis/error_pattern.h"

#include <fmt/format.h>

#include <algorithm>
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

  auto operator<=>(const Look&) const = default;
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

struct Sums {
  ErrorPattern pattern;
  std::map<std::pair<std::string_view, std::string_view>, ErrorPlace> places;
  aggregate::Earliest first;
  aggregate::Latest last;
};

// When each look was first seen before the window.
std::map<Look, UnixNanos> FirstSeen(const Partial* history) {
  std::map<Look, UnixNanos> first;
  if (history == nullptr) return first;
  for (const auto& [key, cell] : history->errors) {
    const auto [at, added] =
        first.try_emplace(LookOf(*history, key), cell.first.start);
    if (!added) at->second = std::min(at->second, cell.first.start);
  }
  return first;
}

void Add(const Partial& partial, const ErrorKey& key,
         const aggregate::ErrorCell& cell, uint32_t first_minute,
         uint32_t minutes, Sums* sums) {
  ErrorPattern& pattern = sums->pattern;
  pattern.count += cell.count;
  pattern.failed_spans += cell.failed;
  sums->first = std::min(sums->first, cell.first);
  sums->last = std::max(sums->last, cell.last);
  ErrorPlace& place =
      sums->places[{partial.Text(key.service), partial.Text(key.operation)}];
  place.count += cell.count;
  place.origins += cell.origins;
  const size_t slot =
      key.minute < first_minute ? 0 : (key.minute - first_minute) / minutes;
  if (slot < pattern.series.size()) pattern.series[slot] += cell.count;
}

// Medians of spans with and without an error, by operation.
struct Sides {
  LatencyHistogram failed;
  LatencyHistogram good;
};
using SidesOf = std::map<std::pair<std::string_view, std::string_view>, Sides>;

SidesOf SidesByOperation(const Partial& partial) {
  SidesOf sides;
  for (const auto& [key, cell] : partial.red) {
    Sides& side =
        sides[{partial.Text(key.service), partial.Text(key.operation)}];
    const bool failed =
        static_cast<model::StatusCode>(key.status) == model::StatusCode::kError;
    (failed ? side.failed : side.good).Merge(cell.durations);
  }
  return sides;
}

void SetEffect(const SidesOf& sides, ErrorPattern* pattern) {
  const auto most =
      std::max_element(pattern->places.begin(), pattern->places.end(),
                       [](const ErrorPlace& a, const ErrorPlace& b) {
                         return a.count < b.count;
                       });
  if (most == pattern->places.end()) return;
  const auto side = sides.find({most->service, most->operation});
  if (side == sides.end()) return;
  const LatencyHistogram& failed = side->second.failed;
  const LatencyHistogram& good = side->second.good;
  if (failed.count() < kMinCompared || good.count() < kMinCompared) return;
  // 97.5 % each: together at least 95 %.
  const Interval slow = QuantileInterval(failed, 0.5, 0.975);
  const Interval plain = QuantileInterval(good, 0.5, 0.975);
  pattern->has_latency_effect = true;
  pattern->latency_effect = failed.Quantile(0.5) - good.Quantile(0.5);
  pattern->latency_effect_interval = {slow.low - plain.high,
                                      slow.high - plain.low};
}

void Finish(Window range, uint64_t all, Sums* sums) {
  ErrorPattern& pattern = sums->pattern;
  for (auto& [name, place] : sums->places) {
    place.service = name.first;
    place.operation = name.second;
    pattern.places.push_back(std::move(place));
  }
  std::stable_sort(pattern.places.begin(), pattern.places.end(),
                   [](const ErrorPlace& a, const ErrorPlace& b) {
                     return std::tuple(a.origins, a.count) >
                            std::tuple(b.origins, b.count);
                   });
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
  const std::map<Look, UnixNanos> before = FirstSeen(input.history);
  const std::map<Look, UnixNanos> previous = FirstSeen(input.previous);
  const uint32_t first = aggregate::BucketOf(input.range.start, input.minutes);
  const uint32_t last = aggregate::BucketOf(
      {std::max(input.range.end.ns, input.range.start.ns + 1) - 1},
      input.minutes);
  std::map<Look, Sums> by_look;
  uint64_t all = 0;
  for (const auto& [key, cell] : window.errors) {
    Sums& sums = by_look[LookOf(window, key)];
    if (sums.pattern.series.empty()) {
      sums.pattern.series.resize((last - first) / input.minutes + 1);
    }
    Add(window, key, cell, first, input.minutes, &sums);
    all += cell.count;
  }
  const SidesOf sides = SidesByOperation(window);
  std::vector<ErrorPattern> patterns;
  for (auto& [look, sums] : by_look) {
    ErrorPattern& pattern = sums.pattern;
    pattern.fingerprint = FingerprintOf(look);
    pattern.type = look.type;
    pattern.message = look.message;
    pattern.frame = look.frame;
    Finish(input.range, all, &sums);
    const auto known = before.find(look);
    pattern.is_new = known == before.end();
    pattern.regressed = !pattern.is_new && previous.count(look) == 0;
    pattern.first_seen = pattern.is_new
                             ? sums.first.start
                             : std::min(known->second, sums.first.start);
    SetEffect(sides, &pattern);
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
