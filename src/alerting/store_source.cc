// SPDX-License-Identifier: Apache-2.0
#include "alerting/store_source.h"

#include <utility>

namespace khtrace::alerting {
namespace {

constexpr double kNanosPerSecond = 1e9;
// What slices of the windows gave to rules: some 3 KiB for twenty series, 32
// slices a rule. Smaller: many rules are evaluated over all of their window in
// each round. Also what objectives counted.
constexpr size_t kCacheBytes = 64u << 20;

double Seconds(std::chrono::nanoseconds duration) {
  return static_cast<double>(duration.count()) / kNanosPerSecond;
}

std::string_view ValueOf(const Labels& labels, std::string_view name) {
  for (const auto& [key, value] : labels) {
    if (key == name) return value;
  }
  return "";
}

Measurement MeasurementOf(const analysis::OperationReport& operation,
                          const Rule& rule) {
  Measurement m;
  m.labels = {{"category", operation.category},
              {"operation", operation.operation},
              {"service", operation.service}};
  m.value = operation.p95 / kNanosPerSecond;
  m.count = operation.count;
  m.unit = std::string("s");
  m.target = Seconds(operation.targets->target);
  m.alert = Seconds(operation.targets->alert);
  m.critical = Seconds(operation.targets->critical);
  m.reason = operation.reason;
  if (!operation.slowest.empty()) {
    m.example = operation.slowest.front().trace_id.ToHex();
  }
  JudgeAll(rule, &m);
  return m;
}

}  // namespace

StoreSource::StoreSource(storage::TraceStore& store,
                         analysis::Analyzer& analyzer, Executor* helpers)
    : store_(store),
      analyzer_(analyzer),
      judge_(analyzer.options()),
      cache_(kCacheBytes),
      tools_{.reader = store,
             .cache = cache_,
             .helpers = helpers,
             .judge = &judge_,
             .slices = false},
      shared_(store) {}

template <typename Query>
auto StoreSource::WithTools(const Query& query) {
  if (shared_taken_.exchange(true)) return query(tools_);
  // Frames belong to one thread: no helpers.
  auto answer = query(QueryTools{.reader = shared_,
                                 .cache = cache_,
                                 .helpers = nullptr,
                                 .judge = &judge_,
                                 .slices = true});
  shared_taken_ = false;
  return answer;
}

void StoreSource::EndRound() {
  if (shared_taken_.exchange(true)) return;
  shared_.Reset();
  shared_taken_ = false;
}

Result<std::vector<Measurement>> StoreSource::Measure(
    const RequestContext& context, const Rule& rule, UnixNanos now) {
  switch (rule.kind) {
    case RuleKind::kCategory:
      return MeasureCategory(context, rule, now);
    case RuleKind::kQuery:
      return WithTools([&](const QueryTools& tools) {
        return MeasureQuery(tools, context, rule, now);
      });
    case RuleKind::kObjective:
      return MeasureObjective(tools_, context, rule, now);
  }
  return std::vector<Measurement>();
}

Result<std::vector<Measurement>> StoreSource::MeasureCategory(
    const RequestContext& context, const Rule& rule, UnixNanos now) {
  ASSIGN_OR_RETURN(
      const analysis::SnapshotPtr snapshot,
      analyzer_.Look(context, {.start = now.Minus(rule.window), .end = now}));
  std::vector<Measurement> measurements;
  for (const analysis::OperationReport& operation : snapshot->operations) {
    if (operation.category == rule.category && operation.targets) {
      measurements.push_back(MeasurementOf(operation, rule));
    }
  }
  return measurements;
}

std::optional<Measurement> StoreSource::MeasureMissing(
    const RequestContext& context, const Rule& rule, UnixNanos now,
    const Labels& labels) {
  return MeasureMissingSeries(tools_, context, rule, now, labels);
}

void StoreSource::Describe(const RequestContext& context, const Rule& rule,
                           UnixNanos now, Measurement* measurement) {
  if (rule.kind != RuleKind::kCategory) {
    measurement->example =
        FindExample(tools_, context, rule, now, *measurement);
    return;
  }
  analysis::OperationRequest request;
  request.window = {.start = now.Minus(rule.window), .end = now};
  request.service = std::string(ValueOf(measurement->labels, "service"));
  request.operation = std::string(ValueOf(measurement->labels, "operation"));
  const auto analysis = analyzer_.AnalyzeOperation(context, request);
  if (!analysis) return;
  if (!analysis->recommendations.empty()) {
    measurement->recommendation = analysis->recommendations.front().text;
  }
}

std::vector<std::string> StoreSource::Tenants() { return store_.Tenants(); }

}  // namespace khtrace::alerting
