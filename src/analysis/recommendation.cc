// SPDX-License-Identifier: Apache-2.0
#include "analysis/recommendation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "analysis/findings.h"
#include "base/text.h"

namespace khtrace::analysis {
namespace {

constexpr size_t kMaxBelow = 2'000;
constexpr size_t kMaxTraces = 3;
// A recommendation is shown by so many of the slow calls, and saves so much
// of one.
constexpr double kLeastConfidence = 0.3;
constexpr double kLeastSaving = 0.1;
// What explains so much of a general finding's saving replaces it.
constexpr double kExplains = 0.4;
// Versions are compared when there are so many calls of each.
constexpr size_t kLeastOfVersion = 3;
constexpr double kSlowerVersion = 1.5;

using Look = void (*)(const SlowCall&, Findings*);
constexpr Look kLooks[] = {
    FindRepeatedQueries,   FindUnbatchedEmbeddings,
    FindRetries,           FindSequentialCalls,
    FindPoolWaits,         FindCacheMisses,
    FindOversizedPayloads, FindUnindexedQueries,
    FindSlowModels,        FindSlowDependency,
    FindOwnTime,
};

bool IsGeneral(RecommendationType type) {
  return type == RecommendationType::kSlowDependency ||
         type == RecommendationType::kSlowOperation;
}

// Findings about one subject, one for each call that shows it.
struct Seen {
  struct One {
    model::TraceId trace;
    Finding finding;
  };
  std::vector<One> ones;
  size_t last_call = SIZE_MAX;

  // Several of a call come together, and save no more than its duration.
  void Add(size_t call, const model::TraceId& trace, double duration,
           Finding finding) {
    finding.saving_nanos = std::min(finding.saving_nanos, duration);
    if (last_call == call) {
      Finding& before = ones.back().finding;
      const double sum =
          std::min(before.saving_nanos + finding.saving_nanos, duration);
      if (finding.saving_nanos > before.saving_nanos) {
        before = std::move(finding);
      }
      before.saving_nanos = sum;
      return;
    }
    last_call = call;
    ones.push_back({trace, std::move(finding)});
  }
};
using SeenBySubject =
    std::map<std::pair<RecommendationType, std::string>, Seen>;

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle =
      values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Recommendation Make(Seen seen, size_t slow_calls) {
  std::stable_sort(seen.ones.begin(), seen.ones.end(),
                   [](const Seen::One& a, const Seen::One& b) {
                     return a.finding.saving_nanos > b.finding.saving_nanos;
                   });
  const Finding& clearest = seen.ones.front().finding;
  Recommendation recommendation;
  recommendation.type = clearest.type;
  recommendation.text = clearest.text;
  recommendation.evidence.facts = clearest.facts;
  recommendation.confidence = clearest.certainty *
                              static_cast<double>(seen.ones.size()) /
                              static_cast<double>(slow_calls);
  std::vector<double> savings;
  std::vector<model::TraceId>& traces = recommendation.evidence.traces;
  for (const Seen::One& one : seen.ones) {
    savings.push_back(one.finding.saving_nanos);
    const bool known =
        std::find(traces.begin(), traces.end(), one.trace) != traces.end();
    if (!known && traces.size() < kMaxTraces) traces.push_back(one.trace);
  }
  recommendation.saving_nanos = Median(std::move(savings));
  return recommendation;
}

// The newer version is the one whose first call came last.
void CompareVersions(const CallSample& sample,
                     std::vector<Recommendation>* out) {
  struct Version {
    uint64_t first = UINT64_MAX;
    std::vector<double> nanos;
    std::vector<model::TraceId> traces;
  };
  std::map<std::string_view, Version> versions;
  for (const Call& call : sample.calls()) {
    const std::string_view name =
        call.trace->ResourceText(call.i, "service.version");
    if (name.empty()) continue;
    Version& version = versions[name];
    version.first = std::min(version.first, call.trace->start(call.i));
    version.nanos.push_back(static_cast<double>(call.duration()));
    version.traces.push_back(call.trace->batch().spans().trace_id[0]);
  }
  if (versions.size() != 2) return;
  auto older = versions.begin();
  auto newer = std::next(older);
  if (older->second.first > newer->second.first) std::swap(older, newer);
  const Version& was = older->second;
  const Version& now = newer->second;
  if (std::min(was.nanos.size(), now.nanos.size()) < kLeastOfVersion) return;
  const double slower = Median(now.nanos) - Median(was.nanos);
  if (Median(now.nanos) < kSlowerVersion * Median(was.nanos)) return;
  // Not one call of the new version as fast as the old one's median, and the
  // other way round: few calls can look different by chance.
  const double fastest = *std::min_element(now.nanos.begin(), now.nanos.end());
  const double slowest = *std::max_element(was.nanos.begin(), was.nanos.end());
  if (fastest < Median(was.nanos) || slowest > Median(now.nanos)) return;
  Recommendation recommendation;
  recommendation.type = RecommendationType::kVersionRegression;
  recommendation.text = fmt::format(
      "Version {} takes {} where {} took {}: look at what changed, or go back.",
      newer->first, NanosText(Median(now.nanos)), older->first,
      NanosText(Median(was.nanos)));
  recommendation.confidence = 0.8;
  recommendation.saving_nanos = slower;
  recommendation.evidence.facts = {{"version", std::string(newer->first)},
                                   {"before", std::string(older->first)}};
  recommendation.evidence.traces = now.traces;
  recommendation.evidence.traces.resize(
      std::min(kMaxTraces, recommendation.evidence.traces.size()));
  out->push_back(std::move(recommendation));
}

// "Something else is slow" says nothing beside its cause.
void DropExplained(std::vector<Recommendation>* all) {
  double best = 0;
  for (const Recommendation& r : *all) {
    if (!IsGeneral(r.type)) best = std::max(best, r.saving_nanos);
  }
  std::erase_if(*all, [best](const Recommendation& r) {
    return IsGeneral(r.type) && best >= kExplains * r.saving_nanos;
  });
}

}  // namespace

std::string NanosText(double nanos) {
  return FormatDurationShort(std::chrono::nanoseconds(
      static_cast<int64_t>(std::clamp(nanos, 0.0, 9e18))));
}

SlowCall::SlowCall(const Call& call, uint64_t target)
    : trace(*call.trace), i(call.i), target_nanos(target) {
  below.push_back(i);
  for (size_t next = 0; next < below.size(); ++next) {
    for (const uint32_t child : trace.children(below[next])) {
      if (below.size() < kMaxBelow) below.push_back(child);
    }
  }
}

std::string_view RecommendationName(RecommendationType type) {
  constexpr std::string_view kNames[] = {
      "n_plus_one",      "sequential_calls",   "retry_storm",
      "pool_wait",       "cache_misses",       "oversized_payload",
      "slow_dependency", "unindexed_query",    "unbatched_embeddings",
      "model_too_large", "version_regression", "slow_operation"};
  return kNames[static_cast<size_t>(type)];
}

std::vector<Recommendation> Recommend(
    const OperationReport& operation,
    std::span<const model::SpanBatchPtr> traces) {
  std::vector<Recommendation> all;
  if (!operation.targets || operation.over_target <= 0) return all;
  const auto target = static_cast<uint64_t>(operation.targets->target.count());
  const CallSample sample(operation.service, operation.operation, traces);
  SeenBySubject seen;
  std::vector<double> slow;
  for (const Call& call : sample.calls()) {
    if (call.duration() <= target) continue;
    const SlowCall slow_call(call, target);
    Findings findings;
    for (const Look look : kLooks) look(slow_call, &findings);
    const model::TraceId& id = call.trace->batch().spans().trace_id[0];
    for (Finding& finding : findings) {
      Seen& about = seen[{finding.type, finding.subject}];
      about.Add(slow.size(), id, static_cast<double>(call.duration()),
                std::move(finding));
    }
    slow.push_back(static_cast<double>(call.duration()));
  }
  const double usual = Median(slow);
  for (auto& [subject, findings] : seen) {
    Recommendation recommendation = Make(std::move(findings), slow.size());
    if (recommendation.confidence < kLeastConfidence) continue;
    if (recommendation.saving_nanos < kLeastSaving * usual) continue;
    all.push_back(std::move(recommendation));
  }
  CompareVersions(sample, &all);
  DropExplained(&all);
  std::stable_sort(all.begin(), all.end(),
                   [](const Recommendation& a, const Recommendation& b) {
                     return a.saving_nanos > b.saving_nanos;
                   });
  return all;
}

}  // namespace khtrace::analysis
