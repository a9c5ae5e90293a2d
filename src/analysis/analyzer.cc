// SPDX-License-Identifier: Apache-2.0
#include "analysis/analyzer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "analysis/call_sample.h"
#include "base/text.h"

namespace khtrace::analysis {
namespace {

using aggregate::kBucketMinutes;
using aggregate::kNanosPerMinute;
using aggregate::Partial;

// Slices of a window: of each there is one typical example of an operation.
constexpr uint64_t kSlices = 6;
// What of a snapshot is of the whole window at once.
constexpr uint32_t kOfWindow =
    aggregate::kEdges | aggregate::kRetries | aggregate::kCritical;
// An answer may be so old; of a window over an hour it changes slowly.
constexpr std::chrono::seconds kFresh{2};
constexpr std::chrono::seconds kFreshLong{5};
constexpr uint64_t kLongWindowNanos = 60 * kNanosPerMinute;
// Windows of so much and more are widened to whole hours: by less than two.
constexpr uint64_t kHoursFrom = 24 * 60 * kNanosPerMinute;
constexpr size_t kMaxKept = 32;
// Of all answers that are kept, some 2 kB each; the newest is kept anyway.
constexpr size_t kMaxKeptOperations = 50'000;
constexpr size_t kMaxKeptPoints = 100'000;
constexpr size_t kMaxKeptPatterns = 50'000;  // likewise, some 1 kB each
constexpr uint32_t kDefaultPoints = 60;
constexpr uint64_t kMaxPoints = 10'000;

// To whole buckets of so many minutes: those are what is counted.
Window WidenTo(Window window, uint32_t minutes) {
  const uint64_t width = minutes * kNanosPerMinute;
  const uint64_t start = window.start.ns / width * width;
  const uint64_t rest = window.end.ns % width;
  uint64_t end = window.end.ns;
  if (rest > 0 && end <= UINT64_MAX - width) end += width - rest;
  return {{start}, {end}};
}

// Stores keep long times by hours.
uint32_t UnitMinutes(Window window) {
  const bool is_long = window.end.ns - window.start.ns >= kHoursFrom;
  return is_long ? 60 : kBucketMinutes;
}
Window Widen(Window window) { return WidenTo(window, UnitMinutes(window)); }

// The future has no calls.
Window UpTo(UnixNanos now, Window window) {
  if (now > window.start) window.end = std::min(window.end, now);
  return window;
}

storage::AggregateRequest RequestOf(Window window, uint32_t kinds,
                                    uint32_t step_minutes) {
  storage::AggregateRequest request;
  request.start = window.start;
  request.end = {window.end.ns - 1};
  request.kinds = kinds;
  request.step_minutes = step_minutes;
  return request;
}

// The one before, as long.
Window Before(Window window) {
  const uint64_t length = window.end.ns - window.start.ns;
  return {{window.start.ns < length ? 0 : window.start.ns - length},
          window.start};
}

// A multiple of a bucket (of an hour, if the window is long), for about
// `slices` of them.
uint32_t StepMinutes(Window window, uint64_t slices) {
  const uint64_t unit = UnitMinutes(window);
  const uint64_t nanos = (window.end.ns - window.start.ns) / slices;
  const uint64_t unit_nanos = unit * kNanosPerMinute;
  const uint64_t units = (nanos + unit_nanos - 1) / unit_nanos;
  return static_cast<uint32_t>(std::max<uint64_t>(units, 1) * unit);
}

// Data that began within the window: rates are of the time since.
UnixNanos FirstBucket(const Partial& partial, Window window) {
  uint64_t first = window.end.ns;
  for (const auto& [key, cell] : partial.red) {
    first = std::min(first, uint64_t{key.minute} * kNanosPerMinute);
  }
  return {std::max(first, window.start.ns)};
}

std::chrono::nanoseconds FreshFor(Window window) {
  const bool is_long = window.end.ns - window.start.ns > kLongWindowNanos;
  return is_long ? kFreshLong : kFresh;
}

AnswerKey KeyOf(const RequestContext& context, Window window,
                std::chrono::nanoseconds fresh) {
  const auto slot = static_cast<uint64_t>(fresh.count());
  return {context.tenant, window.start.ns, window.end.ns / slot};
}

Status Check(Window window) {
  if (window.end > window.start) return {};
  return Error{
      Code::kInvalidArgument,
      fmt::format("the window's end {} is not after its start {}",
                  FormatRfc3339(window.end), FormatRfc3339(window.start))};
}

}  // namespace

Analyzer::Analyzer(storage::TraceReader& reader, const Clock& clock,
                   AnalysisOptions options, Executor* helpers)
    : reader_(reader),
      clock_(clock),
      options_(std::move(options)),
      helpers_(helpers),
      snapshots_(clock, kMaxKept, kMaxKeptOperations),
      curves_(clock, kMaxKept, kMaxKeptPoints),
      errors_(clock, kMaxKept, kMaxKeptPatterns),
      advisor_(reader, clock, helpers) {}

Result<SnapshotPtr> Analyzer::Look(const RequestContext& context,
                                   Window window) {
  RETURN_IF_ERROR(Check(window));
  window = Widen(window);
  const std::chrono::nanoseconds fresh = FreshFor(window);
  return snapshots_.Get(
      context, KeyOf(context, window, fresh), fresh,
      [](const Snapshot& snapshot) { return snapshot.operations.size(); },
      [&] { return Make(context, window); });
}

// Nothing was before 1970.
Result<Partial> Analyzer::AggregateBefore(const RequestContext& context,
                                          Window window, uint32_t kinds) {
  window = Before(window);
  if (window.end <= window.start) return Partial();
  return reader_.Aggregate(context, RequestOf(window, kinds, UINT32_MAX));
}

Result<SnapshotPtr> Analyzer::Make(const RequestContext& context,
                                   Window window) {
  const uint32_t step = StepMinutes(window, kSlices);
  ASSIGN_OR_RETURN(
      Partial current,
      reader_.Aggregate(context, RequestOf(window, aggregate::kRed, step)));
  ASSIGN_OR_RETURN(
      const Partial of_window,
      reader_.Aggregate(context, RequestOf(window, kOfWindow, UINT32_MAX)));
  current.Merge(of_window);
  ASSIGN_OR_RETURN(const Partial previous,
                   AggregateBefore(context, window, aggregate::kRed));
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->generated_at = clock_.Now();
  snapshot->window = window;
  if (!current.red.empty()) {
    snapshot->window.start = FirstBucket(current, window);
    ASSIGN_OR_RETURN(const storage::StoreStats stats, reader_.Stats(context));
    if (stats.oldest && *stats.oldest < window.end) {
      snapshot->window.start = std::max(snapshot->window.start, *stats.oldest);
    }
  }
  // Where data began within the window, paths began there too.
  Window paths = WidenTo(window, aggregate::kPathBucketMinutes);
  if (snapshot->window.start > window.start) {
    paths.start = snapshot->window.start;
  }
  paths = UpTo(snapshot->generated_at, paths);
  snapshot->window = UpTo(snapshot->generated_at, snapshot->window);
  ReportInput input;
  input.current = &current;
  input.previous = &previous;
  input.window = snapshot->window;
  input.path_window = paths;
  input.options = &options_;
  snapshot->operations = ReportOperations(input);
  snapshot->services = ReportServices(input, snapshot->operations);
  snapshot->dependencies =
      BuildDependencies(current, snapshot->window, snapshot->services);
  snapshot->paths = PathsByRoot(current, "", "");
  std::vector<const OperationReport*> all;
  for (const OperationReport& operation : snapshot->operations) {
    snapshot->spans += operation.count;
    all.push_back(&operation);
  }
  snapshot->grade = RollUp(all);
  return SnapshotPtr(std::move(snapshot));
}

Result<BottleneckList> Analyzer::Bottlenecks(const RequestContext& context,
                                             const BottleneckRequest& request) {
  ASSIGN_OR_RETURN(const SnapshotPtr snapshot, Look(context, request.window));
  BottleneckList list =
      SelectBottlenecks(snapshot->operations, snapshot->window, request);
  list.generated_at = snapshot->generated_at;
  if (!request.recommend) return list;
  for (Bottleneck& bottleneck : list.bottlenecks) {
    RETURN_IF_ERROR(context.Check());
    bottleneck.recommendations =
        advisor_.Advise(context, list.window, bottleneck.operation);
  }
  return list;
}

Result<std::vector<TimePoint>> Analyzer::Series(const RequestContext& context,
                                                Window window, uint32_t minutes,
                                                std::string_view service,
                                                std::string_view operation) {
  RETURN_IF_ERROR(Check(window));
  if (minutes % kBucketMinutes != 0) {
    return Error{Code::kInvalidArgument,
                 fmt::format("points of {} minutes: not a multiple of {}",
                             minutes, kBucketMinutes)};
  }
  window = Widen(window);
  if (minutes == 0) minutes = StepMinutes(window, kDefaultPoints);
  const uint64_t points =
      (window.end.ns - window.start.ns) / kNanosPerMinute / minutes + 1;
  if (points > kMaxPoints) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{} points of {} minutes: at most {}", points,
                             minutes, kMaxPoints)};
  }
  ASSIGN_OR_RETURN(
      const Partial partial,
      reader_.Aggregate(context, RequestOf(window, aggregate::kRed, minutes)));
  return SeriesOf(partial, window, minutes, service, operation);
}

Result<std::shared_ptr<const Curves>> Analyzer::CurvesOf(
    const RequestContext& context, Window window) {
  RETURN_IF_ERROR(Check(window));
  window = Widen(window);
  const uint32_t minutes = StepMinutes(window, kDefaultPoints);
  const std::chrono::nanoseconds fresh = FreshFor(window);
  return curves_.Get(
      context, KeyOf(context, window, fresh), fresh,
      [](const Curves& c) { return (c.services.size() + 1) * c.all.size(); },
      [&]() -> Result<std::shared_ptr<const Curves>> {
        ASSIGN_OR_RETURN(
            const Partial partial,
            reader_.Aggregate(context,
                              RequestOf(window, aggregate::kRed, minutes)));
        return std::make_shared<const Curves>(
            analysis::CurvesOf(partial, window, minutes));
      });
}

void Analyzer::WarmUp(const RequestContext& context) {
  const UnixNanos now = clock_.Now();
  const Window day{now.Minus(std::chrono::hours(24)), now};
  if (!Look(context, day)) return;
  if (CurvesOf(context, day)) (void)Errors(context, day);
}

Result<OperationAnalysis> Analyzer::AnalyzeOperation(
    const RequestContext& context, const OperationRequest& request) {
  ASSIGN_OR_RETURN(const SnapshotPtr snapshot, Look(context, request.window));
  const OperationReport* found = nullptr;
  OperationAnalysis analysis;
  for (const OperationReport& report : snapshot->operations) {
    if (report.operation != request.operation) continue;
    if (!request.service.empty() && report.service != request.service) {
      analysis.other_services.push_back(report.service);
      continue;
    }
    if (found != nullptr) analysis.other_services.push_back(report.service);
    if (found == nullptr || report.count > found->count) {
      if (found != nullptr) analysis.other_services.back() = found->service;
      found = &report;
    }
  }
  if (found == nullptr) {
    return Error{
        Code::kNotFound,
        fmt::format("no span \"{}\"{} in the window", request.operation,
                    request.service.empty()
                        ? std::string()
                        : fmt::format(" of service \"{}\"", request.service))};
  }
  auto& others = analysis.other_services;
  std::sort(others.begin(), others.end());
  others.erase(std::unique(others.begin(), others.end()), others.end());
  std::erase(others, found->service);
  analysis.window = snapshot->window;
  analysis.generated_at = snapshot->generated_at;
  analysis.report = *found;
  ASSIGN_OR_RETURN(analysis.series, Series(context, request.window, 0,
                                           found->service, found->operation));
  const std::vector<model::SpanBatchPtr> traces =
      advisor_.ExampleTraces(context, snapshot->window, *found);
  const CallSample sample(found->service, found->operation, traces);
  analysis.looked_at = static_cast<uint32_t>(sample.calls().size());
  analysis.children = SharesOfChildren(sample, &analysis.self_share);
  analysis.recommendations = Recommend(*found, traces);
  return analysis;
}

Result<std::shared_ptr<const ErrorPatterns>> Analyzer::Errors(
    const RequestContext& context, Window window) {
  RETURN_IF_ERROR(Check(window));
  window = Widen(window);
  const std::chrono::nanoseconds fresh = FreshFor(window);
  return errors_.Get(
      context, KeyOf(context, window, fresh), fresh,
      [](const ErrorPatterns& patterns) { return patterns.size(); },
      [&]() -> Result<std::shared_ptr<const ErrorPatterns>> {
        ASSIGN_OR_RETURN(ErrorPatterns made, MakeErrors(context, window));
        return std::make_shared<const ErrorPatterns>(std::move(made));
      });
}

Result<ErrorPatterns> Analyzer::MakeErrors(const RequestContext& context,
                                           Window window) {
  const uint32_t minutes = StepMinutes(window, kDefaultPoints);
  ASSIGN_OR_RETURN(Partial current,
                   reader_.Aggregate(context, RequestOf(window, aggregate::kRed,
                                                        UINT32_MAX)));
  ASSIGN_OR_RETURN(
      const Partial errors,
      reader_.Aggregate(context,
                        RequestOf(window, aggregate::kErrors, minutes)));
  current.Merge(errors);
  ASSIGN_OR_RETURN(const Partial previous,
                   AggregateBefore(context, window, aggregate::kErrors));
  Partial history;
  if (window.start.ns > 0) {
    ASSIGN_OR_RETURN(
        history,
        reader_.Aggregate(context, RequestOf({{0}, window.start},
                                             aggregate::kErrors, UINT32_MAX)));
  }
  ErrorInput input;
  input.window = &current;
  input.previous = &previous;
  input.history = &history;
  input.range = UpTo(clock_.Now(), window);
  input.minutes = minutes;
  return FindErrorPatterns(input);
}

Result<TraceReport> Analyzer::AnalyzeTrace(const RequestContext& context,
                                           const model::TraceId& id) {
  ASSIGN_OR_RETURN(const model::SpanBatchPtr trace,
                   reader_.GetTrace(context, id));
  return ReportTrace(*trace, options_);
}

Result<Explanation> Analyzer::Explain(const RequestContext& context,
                                      ExplainRequest request) {
  RETURN_IF_ERROR(Check({request.start, request.end}));
  request.helpers = helpers_;
  return analysis::Explain(reader_, context, request);
}

}  // namespace khtrace::analysis
