// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_report.h"

#include <algorithm>

#include "api/tracing_answer.h"

namespace khtrace::api {
namespace {

using analysis::OperationReport;
using wire::JsonWriter;

void PutImpact(JsonWriter& w, const analysis::Impact& impact) {
  w.Key("impact");
  w.BeginObject();
  PutFigure(w, "score", impact.score);
  PutFigure(w, "duration", impact.duration);
  PutFigure(w, "frequency", impact.frequency);
  PutFigure(w, "reliability", impact.reliability);
  PutFigure(w, "rank", impact.rank);
  w.EndObject();
}

void PutTrend(JsonWriter& w, const analysis::Trend& trend) {
  using analysis::TrendDirection;
  const bool known = trend.direction != TrendDirection::kUnknown &&
                     trend.direction != TrendDirection::kNew;
  w.Key("trend");
  w.BeginObject();
  PutText(w, "direction", analysis::TrendName(trend.direction));
  PutCount(w, "previous_count", trend.previous_count);
  if (known) {
    PutMillis(w, "previous_p95_ms", trend.previous_p95);
    PutFigure(w, "change", trend.change);
  } else {
    PutNull(w, "previous_p95_ms");
    PutNull(w, "change");
  }
  w.EndObject();
}

void PutExamples(JsonWriter& w, const OperationReport& report) {
  w.Key("examples");
  w.BeginArray();
  for (const auto& example : report.slowest) WriteTraceRef(w, example, "slow");
  for (const auto& example : report.typical) {
    WriteTraceRef(w, example, "typical");
  }
  w.EndArray();
}

void PutDurations(JsonWriter& w, const OperationReport& report) {
  PutMillis(w, "avg_ms", report.avg);
  PutMillis(w, "p50_ms", report.p50);
  PutMillis(w, "p75_ms", report.p75);
  PutMillis(w, "p95_ms", report.p95);
  PutMillis(w, "p99_ms", report.p99);
  w.Key("p95_interval");
  w.BeginObject();
  PutMillis(w, "low_ms", report.p95_interval.low);
  PutMillis(w, "high_ms", report.p95_interval.high);
  w.EndObject();
  if (report.errors > 0) {
    PutMillis(w, "error_p50_ms", report.error_p50);
  } else {
    PutNull(w, "error_p50_ms");
  }
}

void PutJudgement(JsonWriter& w, const OperationReport& report) {
  if (report.targets) {
    PutMillis(w, "target_ms",
              static_cast<double>(report.targets->target.count()));
    PutMillis(w, "over_target_ms", report.over_target);
    PutText(w, "alert_state", analysis::AlertLevelName(report.alert_level));
  } else {
    PutNull(w, "target_ms");
    PutNull(w, "over_target_ms");
    PutNull(w, "alert_state");
  }
  PutGrade(w, "grade", report.grade);
  PutGrade(w, "latency_grade", report.latency_grade);
  if (report.latency_grade) {
    PutFigure(w, "grade_confidence", report.grade_confidence);
  } else {
    PutNull(w, "grade_confidence");
  }
  PutOptional(w, "no_grade_reason", report.no_grade);
  PutText(w, "reason", report.reason);
}

}  // namespace

void WriteTraceRef(JsonWriter& w, const analysis::Example& example,
                   std::string_view type) {
  w.BeginObject();
  PutText(w, "trace_id", example.trace_id.ToHex());
  PutDuration(w, "duration_ms", example.duration_nanos);
  PutText(w, "type", type);
  w.EndObject();
}

void PutOperation(JsonWriter& w, const OperationReport& report) {
  PutText(w, "operation", report.operation);
  PutText(w, "service", report.service);
  PutOptional(w, "category", report.category);
  PutText(w, "kind", report.kind);
  PutCount(w, "count", report.count);
  PutFigure(w, "estimated_count", report.estimated_count);
  PutFigure(w, "estimated_count_error", report.estimated_count_error);
  PutFigure(w, "calls_per_min", report.calls_per_min);
  PutCount(w, "errors", report.errors);
  PutFigure(w, "error_rate", report.error_rate);
  PutDurations(w, report);
  PutJudgement(w, report);
  PutTrend(w, report.trend);
  PutImpact(w, report.impact);
  PutFigure(w, "critical_path_share", report.critical_path_share);
  PutMillis(w, "critical_path_ms", static_cast<double>(report.critical_nanos));
  PutCount(w, "critical_path_traces", report.critical_traces);
  PutMillis(w, "recoverable_ms_per_hour", report.recoverable_nanos_per_hour);
  PutExamples(w, report);
}

void WriteBottleneck(JsonWriter& w, const analysis::Bottleneck& bottleneck) {
  w.BeginObject();
  PutOperation(w, bottleneck.operation);
  PutCount(w, "slow_count", bottleneck.slow_count);
  PutFigure(w, "slow_percent", bottleneck.slow_share * 100);
  w.Key("flags");
  w.BeginArray();
  for (const std::string& flag : bottleneck.flags) w.String(flag);
  w.EndArray();
  PutRecommendations(w, bottleneck.recommendations);
  w.EndObject();
}

void PutRecommendations(
    JsonWriter& w,
    const std::vector<analysis::Recommendation>& recommendations) {
  w.Key("recommendations");
  w.BeginArray();
  for (const analysis::Recommendation& advice : recommendations) {
    w.BeginObject();
    PutText(w, "type", analysis::RecommendationName(advice.type));
    PutText(w, "text", advice.text);
    PutFigure(w, "confidence", advice.confidence);
    PutMillis(w, "saving_ms", advice.saving_nanos);
    w.Key("evidence");
    w.BeginObject();
    w.Key("traces");
    w.BeginArray();
    for (const auto& trace : advice.evidence.traces) w.String(trace.ToHex());
    w.EndArray();
    w.Key("facts");
    w.BeginObject();
    for (const auto& [name, value] : advice.evidence.facts) {
      w.EscapedKey(name);
      w.String(value);
    }
    w.EndObject();
    w.EndObject();
    w.EndObject();
  }
  w.EndArray();
}

void PutTargets(JsonWriter& w,
                const std::optional<analysis::Targets>& targets) {
  if (!targets) return PutNull(w, "targets");
  w.Key("targets");
  w.BeginObject();
  PutMillis(w, "target_ms", static_cast<double>(targets->target.count()));
  PutMillis(w, "alert_ms", static_cast<double>(targets->alert.count()));
  PutMillis(w, "critical_ms", static_cast<double>(targets->critical.count()));
  w.Key("bands_ms");
  w.BeginArray();
  for (const std::chrono::nanoseconds band : targets->bands) {
    w.Double(static_cast<double>(band.count()) / 1e6);
  }
  w.EndArray();
  w.EndObject();
}

void PutSeries(JsonWriter& w, std::string_view key,
               const std::vector<analysis::TimePoint>& series) {
  const auto percentile = [&w](std::string_view name, double nanos, bool any) {
    if (any) return PutMillis(w, name, nanos);
    PutNull(w, name);
  };
  w.Key(key);
  w.BeginArray();
  for (const analysis::TimePoint& point : series) {
    const bool any = point.count > 0;
    w.BeginObject();
    PutTime(w, "start", point.start);
    PutCount(w, "count", point.count);
    PutCount(w, "errors", point.errors);
    percentile("p50_ms", point.p50, any);
    percentile("p95_ms", point.p95, any);
    percentile("p99_ms", point.p99, any);
    w.EndObject();
  }
  w.EndArray();
}

void GradeTally::Add(const OperationReport& report) {
  ++grades_[report.grade ? static_cast<size_t>(*report.grade) : 5];
  if (!report.targets) return;
  calls_ += report.count;
  kept_ += CallsBelow(report.durations,
                      static_cast<uint64_t>(report.targets->target.count()));
}

void GradeTally::Put(JsonWriter& w) const {
  static constexpr std::string_view kNames[] = {"A", "B", "C",
                                                "D", "F", "none"};
  w.Key("grade_distribution");
  w.BeginObject();
  for (size_t i = 0; i < grades_.size(); ++i) {
    PutCount(w, kNames[i], grades_[i]);
  }
  w.EndObject();
  if (calls_ == 0) return PutNull(w, "attained_share");
  PutFigure(w, "attained_share",
            static_cast<double>(kept_) / static_cast<double>(calls_));
}

uint64_t CallsBelow(const aggregate::LatencyHistogram& durations,
                    uint64_t nanos) {
  uint64_t below = 0;
  for (const auto& bin : durations.bins()) {
    const auto index = static_cast<uint32_t>(bin.index);
    if (aggregate::LatencyHistogram::ValueOf(index) <
        static_cast<double>(nanos)) {
      below += bin.count;
    }
  }
  return below;
}

}  // namespace khtrace::api
