// SPDX-License-Identifier: Apache-2.0
#include "alerting/query_measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "base/text.h"
#include "query/metrics.h"
#include "traceql/checker.h"
#include "traceql/parser.h"

namespace khtrace::alerting {
namespace {

using query::MetricsResult;
using query::Series;
using std::chrono::nanoseconds;
using traceql::MetricsExpr;
using traceql::MetricsOp;
using traceql::MetricsQuery;

// Among so many the worst is looked for.
constexpr size_t kExemplars = 20;
// Objectives count in intervals of this width: all four windows from one query.
constexpr std::chrono::minutes kStep{1};

struct BurnPair {
  nanoseconds short_window;
  nanoseconds long_window;
  double factor;
};
constexpr BurnPair kCriticalPair{std::chrono::minutes(5), std::chrono::hours(1),
                                 14.4};
constexpr BurnPair kAlertPair{std::chrono::minutes(30), std::chrono::hours(6),
                              6};

Result<traceql::Query> Parse(const std::string& text) {
  ASSIGN_OR_RETURN(traceql::Query query, traceql::ParseQuery(text));
  RETURN_IF_ERROR(traceql::CheckQuery(query));
  if (!query.is_metrics()) {
    return Error{Code::kInvalidArgument, "not a metrics query"};
  }
  return query;
}

// The first function of an expression: `{a} | rate()` of `({a} | rate()) / 2`.
const MetricsQuery* FirstFunction(const MetricsExpr& expr) {
  if (const auto* query = std::get_if<MetricsQuery>(&expr.node)) return query;
  if (const auto* binary = std::get_if<traceql::MetricsBinary>(&expr.node)) {
    const MetricsQuery* left = FirstFunction(*binary->left);
    return left != nullptr ? left : FirstFunction(*binary->right);
  }
  return nullptr;
}

bool IsConstant(const MetricsExpr& expr) {
  return std::holds_alternative<traceql::ScalarExpr>(expr.node);
}

const traceql::MetricsBinary* RatioOf(const traceql::Query& query) {
  const auto* binary = std::get_if<traceql::MetricsBinary>(
      &std::get<MetricsExpr>(query.root).node);
  const bool ratio = binary != nullptr &&
                     binary->op == traceql::BinaryOp::kDiv &&
                     !IsConstant(*binary->right);
  return ratio ? binary : nullptr;
}

// Whether it is 0 where there are no spans.
bool CountsSpans(const MetricsExpr& expr) {
  if (const auto* query = std::get_if<MetricsQuery>(&expr.node)) {
    return query->aggregate.op == MetricsOp::kRate ||
           query->aggregate.op == MetricsOp::kCountOverTime;
  }
  const auto* binary = std::get_if<traceql::MetricsBinary>(&expr.node);
  if (binary == nullptr) return false;
  const bool left = CountsSpans(*binary->left);
  const bool right = CountsSpans(*binary->right);
  switch (binary->op) {
    case traceql::BinaryOp::kMul:
      return left || right;
    case traceql::BinaryOp::kDiv:
      return left;
    default:
      return left && right;
  }
}

std::string UnitOf(const traceql::Query& query) {
  const MetricsQuery* function =
      FirstFunction(std::get<MetricsExpr>(query.root));
  if (function == nullptr || !function->aggregate.attribute) return "";
  const traceql::Intrinsic intrinsic = function->aggregate.attribute->intrinsic;
  const bool duration = intrinsic == traceql::Intrinsic::kDuration ||
                        intrinsic == traceql::Intrinsic::kTraceDuration;
  return duration && function->aggregate.op != MetricsOp::kHistogramOverTime
             ? "s"
             : "";
}

// The same spans, counted by the same labels.
std::optional<traceql::Query> CountOf(const traceql::Query& query) {
  const traceql::MetricsBinary* ratio = RatioOf(query);
  const MetricsQuery* function = FirstFunction(
      ratio != nullptr ? *ratio->right : std::get<MetricsExpr>(query.root));
  if (function == nullptr) return std::nullopt;
  MetricsQuery counting = *function;
  const std::vector<traceql::Attribute> by = counting.aggregate.by;
  counting.aggregate = {};
  counting.aggregate.op = MetricsOp::kCountOverTime;
  counting.aggregate.by = by;
  traceql::Query count;
  MetricsExpr root;
  root.node = std::move(counting);
  count.root = std::move(root);
  return count;
}

Result<MetricsResult> RunInstant(const QueryTools& tools,
                                 const RequestContext& context,
                                 const traceql::Query& query,
                                 nanoseconds window, UnixNanos now,
                                 size_t exemplars) {
  query::MetricsRequest request;
  request.query = &query;
  request.start = now.Minus(window);
  request.end = now;
  request.instant = true;
  request.max_exemplars = exemplars;
  request.helpers = tools.helpers;
  request.judge = tools.judge;
  // Without slices nothing is kept: the window is another one each time.
  if (tools.slices) {
    request.cache = &tools.cache;
    request.sliding = true;
  }
  ASSIGN_OR_RETURN(MetricsResult result,
                   query::RunMetrics(tools.reader, context, request));
  // A series that is left out would look like one that ended.
  if (result.partial) {
    return Error{Code::kResourceExhausted,
                 "cannot judge a part of the series: " + result.message};
  }
  return result;
}

std::string TextOf(const traceql::Static& value) {
  if (const auto* text = std::get_if<std::string>(&value.value)) return *text;
  return traceql::ToString(value);
}

Labels LabelsOf(const std::vector<query::Label>& labels) {
  Labels out;
  for (const query::Label& label : labels) {
    // The function's name: there is one query, so it tells nothing apart.
    if (label.key == "__name__") continue;
    out.emplace_back(label.key, TextOf(label.value));
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Series of the value may have labels that the count has not (`p`).
bool Holds(const Labels& all, const Labels& some) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

Status AddCounts(const QueryTools& tools, const RequestContext& context,
                 const traceql::Query& query, const Rule& rule, UnixNanos now,
                 std::vector<Measurement>* measurements) {
  const auto count = CountOf(query);
  if (!count) return {};
  ASSIGN_OR_RETURN(const MetricsResult counted,
                   RunInstant(tools, context, *count, rule.window, now, 0));
  for (const Series& series : counted.series) {
    const Labels labels = LabelsOf(series.labels);
    const double value = series.values.empty() ? 0 : series.values[0];
    if (!(value >= 0)) continue;
    for (Measurement& m : *measurements) {
      if (Holds(m.labels, labels)) m.count = static_cast<uint64_t>(value);
    }
  }
  return {};
}

Measurement ValueOf(const traceql::Query& query, const Rule& rule, double value,
                    Labels labels) {
  Measurement m;
  m.labels = std::move(labels);
  m.value = value;
  m.unit = UnitOf(query);
  m.alert = rule.alert;
  m.critical = rule.critical;
  m.reason =
      fmt::format("{} over {}", rule.query, FormatGoDuration(rule.window));
  JudgeAll(rule, &m);
  return m;
}

std::string TraceOf(const query::Exemplar& exemplar) {
  for (const query::Label& label : exemplar.labels) {
    if (label.key == "trace:id") return TextOf(label.value);
  }
  return "";
}

// --- Objectives -------------------------------------------------------------

std::string BadCalls(const Objective& objective) {
  if (objective.threshold.count() <= 0) {
    return fmt::format("{} | {{ status = error }}", objective.select);
  }
  return fmt::format("{} | {{ status = error || duration > {}ns }}",
                     objective.select, objective.threshold.count());
}

struct Counts {
  double total = 0;
  double bad = 0;
};

// How many of each interval's spans; the windows are sums over the last ones.
Result<MetricsResult> CountByMinute(const QueryTools& tools,
                                    const RequestContext& context,
                                    const std::string& selection,
                                    UnixNanos now) {
  ASSIGN_OR_RETURN(const traceql::Query query,
                   Parse(selection + " | count_over_time()"));
  query::MetricsRequest request;
  request.query = &query;
  request.start = now.Minus(kAlertPair.long_window);
  request.end = now;
  request.step_nanos = static_cast<uint64_t>(nanoseconds(kStep).count());
  request.max_exemplars = 0;
  request.helpers = tools.helpers;
  request.judge = tools.judge;
  request.cache = &tools.cache;
  return query::RunMetrics(tools.reader, context, request);
}

double SumSince(const MetricsResult& counted, UnixNanos start) {
  double sum = 0;
  for (const Series& series : counted.series) {
    for (size_t i = 0; i < series.values.size(); ++i) {
      const int64_t end_ms = counted.axis.TimestampMs(i);
      if (end_ms <= 0 || std::isnan(series.values[i])) continue;
      if (static_cast<uint64_t>(end_ms) * 1'000'000 > start.ns) {
        sum += series.values[i];
      }
    }
  }
  return sum;
}

struct Burn {
  Counts counts;  // of the long window
  // The lower one of both windows; nullopt without calls.
  std::optional<double> rate;
};

Burn BurnOf(const MetricsResult& total, const MetricsResult& bad,
            const BurnPair& pair, double budget, UnixNanos now) {
  Burn burn;
  for (const nanoseconds window : {pair.short_window, pair.long_window}) {
    const UnixNanos start = now.Minus(window);
    burn.counts = {.total = SumSince(total, start),
                   .bad = SumSince(bad, start)};
    if (burn.counts.total <= 0) return {};
    const double rate = burn.counts.bad / burn.counts.total / budget;
    burn.rate = burn.rate ? std::min(*burn.rate, rate) : rate;
  }
  return burn;
}

std::string ReasonOf(const Rule& rule, const Counts& hour, double rate) {
  const Objective& objective = rule.objective;
  std::string text = fmt::format(
      "{:.3g} % of {} calls in an hour were bad; the goal allows {:.3g} %",
      100 * hour.bad / std::max(hour.total, 1.0), hour.total,
      100 * (1 - objective.goal));
  if (rate > 1) {
    const double seconds =
        std::chrono::duration<double>(objective.period).count() / rate;
    text += fmt::format(
        ". At this rate the budget of {} is used up in {}",
        FormatDurationShort(objective.period),
        FormatDurationShort(nanoseconds(std::llround(seconds * 1e9))));
  }
  return text;
}

}  // namespace

Result<std::vector<Measurement>> MeasureQuery(const QueryTools& tools,
                                              const RequestContext& context,
                                              const Rule& rule, UnixNanos now) {
  ASSIGN_OR_RETURN(const traceql::Query query, Parse(rule.query));
  ASSIGN_OR_RETURN(const MetricsResult result,
                   RunInstant(tools, context, query, rule.window, now, 0));
  Rule judged = rule;
  const auto& root = std::get<MetricsExpr>(query.root);
  if (CountsSpans(root) && RatioOf(query) == nullptr) judged.min_samples = 0;
  std::vector<Measurement> measurements;
  bool count = judged.min_samples > 0;
  for (const Series& series : result.series) {
    if (series.values.empty() || std::isnan(series.values[0])) continue;
    Measurement& m = measurements.emplace_back(
        ValueOf(query, judged, series.values[0], LabelsOf(series.labels)));
    count = count || m.alert_verdict.breach || m.critical_verdict.breach;
  }
  if (measurements.empty()) {
    // Without by() there is one series, even if it is nothing.
    const MetricsQuery* function = FirstFunction(root);
    if (function == nullptr || !function->aggregate.by.empty()) {
      return measurements;
    }
    auto missing = MeasureMissingSeries(tools, context, rule, now, {});
    if (missing) measurements.push_back(*std::move(missing));
    return measurements;
  }
  if (!count) return measurements;
  RETURN_IF_ERROR(AddCounts(tools, context, query, rule, now, &measurements));
  for (Measurement& m : measurements) {
    m.no_data.clear();
    JudgeAll(judged, &m);
  }
  return measurements;
}

std::optional<Measurement> MeasureMissingSeries(const QueryTools& tools,
                                                const RequestContext& context,
                                                const Rule& rule, UnixNanos now,
                                                const Labels& labels) {
  if (rule.kind != RuleKind::kQuery) return std::nullopt;
  const auto query = Parse(rule.query);
  if (!query || !CountsSpans(std::get<MetricsExpr>(query->root))) {
    return std::nullopt;
  }
  Rule judged = rule;
  judged.min_samples = 0;
  if (const traceql::MetricsBinary* ratio = RatioOf(*query)) {
    traceql::Query whole;
    whole.root = *ratio->right;
    const auto result = RunInstant(tools, context, whole, rule.window, now, 0);
    if (!result) return std::nullopt;
    const bool any =
        std::any_of(result->series.begin(), result->series.end(),
                    [&](const Series& series) {
                      return Holds(labels, LabelsOf(series.labels)) &&
                             !series.values.empty() && series.values[0] > 0;
                    });
    if (!any) return std::nullopt;
  }
  return ValueOf(*query, judged, 0, labels);
}

Result<std::vector<Measurement>> MeasureObjective(const QueryTools& tools,
                                                  const RequestContext& context,
                                                  const Rule& rule,
                                                  UnixNanos now) {
  ASSIGN_OR_RETURN(const MetricsResult total,
                   CountByMinute(tools, context, rule.objective.select, now));
  std::vector<Measurement> measurements;
  if (SumSince(total, {0}) <= 0) return measurements;
  ASSIGN_OR_RETURN(
      const MetricsResult bad,
      CountByMinute(tools, context, BadCalls(rule.objective), now));
  const double budget = 1 - rule.objective.goal;
  const Burn fast = BurnOf(total, bad, kCriticalPair, budget, now);
  const Burn slow = BurnOf(total, bad, kAlertPair, budget, now);
  Measurement& m = measurements.emplace_back();
  m.target = 1;
  m.alert = kAlertPair.factor;
  m.critical = kCriticalPair.factor;
  // No call in the short windows: whether it goes on is not known.
  if (!fast.rate || !slow.rate) {
    m.no_data = "no_spans";
    return measurements;
  }
  const auto judge = [&rule](double rate, double factor) {
    return Judge(rate, factor, Comparison::kAbove, rule.resolve_below);
  };
  m.critical_verdict = judge(*fast.rate, kCriticalPair.factor);
  const Verdict slow_verdict = judge(*slow.rate, kAlertPair.factor);
  m.alert_verdict = {.breach = slow_verdict.breach || m.critical_verdict.breach,
                     .clear = slow_verdict.clear && m.critical_verdict.clear};
  m.value = m.critical_verdict.breach ? *fast.rate : *slow.rate;
  m.count = static_cast<uint64_t>(fast.counts.total);
  m.reason = ReasonOf(rule, fast.counts, *m.value);
  if (m.count < rule.min_samples) m.no_data = "insufficient_data";
  return measurements;
}

std::string FindExample(const QueryTools& tools, const RequestContext& context,
                        const Rule& rule, UnixNanos now,
                        const Measurement& measurement) {
  const bool objective = rule.kind == RuleKind::kObjective;
  const auto query =
      Parse(objective ? BadCalls(rule.objective) + " | max_over_time(duration)"
                      : rule.query);
  if (!query) return "";
  const auto result = RunInstant(
      tools, context, *query,
      objective ? kCriticalPair.long_window : rule.window, now, kExemplars);
  if (!result) return "";
  const bool least =
      rule.compare == Comparison::kBelow || rule.compare == Comparison::kAtMost;
  const query::Exemplar* worst = nullptr;
  for (const Series& series : result->series) {
    if (!objective && LabelsOf(series.labels) != measurement.labels) continue;
    for (const query::Exemplar& exemplar : series.exemplars) {
      if (worst == nullptr || (least ? exemplar.value < worst->value
                                     : exemplar.value > worst->value)) {
        worst = &exemplar;
      }
    }
  }
  return worst == nullptr ? "" : TraceOf(*worst);
}

}  // namespace khtrace::alerting
