// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <tuple>

#include "api/tracing_answer.h"
#include "api/tracing_operation.h"
#include "api/tracing_report.h"
#include "api/tracing_routes.h"
#include "base/text.h"

// GET /api/tracing/operations: every operation of a window.

namespace khtrace::api {
namespace {

using analysis::OperationReport;
using net::HttpResponse;
using wire::JsonWriter;

enum class Sort {
  kImpact,
  kName,
  kGrade,
  kP50,
  kP95,
  kP99,
  kCount,
  kErrorRate,
  kRecoverable,
  kCriticalPathShare,
};
constexpr std::array<std::pair<std::string_view, Sort>, 10> kSorts = {
    {{"impact", Sort::kImpact},
     {"name", Sort::kName},
     {"grade", Sort::kGrade},
     {"p50", Sort::kP50},
     {"p95", Sort::kP95},
     {"p99", Sort::kP99},
     {"count", Sort::kCount},
     {"error_rate", Sort::kErrorRate},
     {"recoverable", Sort::kRecoverable},
     {"critical_path_share", Sort::kCriticalPathShare}}};

enum class Order { kDefault, kAscending, kDescending };
constexpr std::array<std::pair<std::string_view, Order>, 3> kOrders = {
    {{"default", Order::kDefault},
     {"asc", Order::kAscending},
     {"desc", Order::kDescending}}};

// What `sort` orders by: names aside, the greatest is the most interesting.
double KeyOf(const OperationReport& report, Sort sort) {
  switch (sort) {
    case Sort::kGrade:
      // F is the greatest; without a grade the least.
      return report.grade ? 1 + static_cast<double>(*report.grade) : 0;
    case Sort::kP50:
      return report.p50;
    case Sort::kP95:
      return report.p95;
    case Sort::kP99:
      return report.p99;
    case Sort::kCount:
      return report.estimated_count;
    case Sort::kErrorRate:
      return report.error_rate;
    case Sort::kRecoverable:
      return report.recoverable_nanos_per_hour;
    case Sort::kCriticalPathShare:
      return report.critical_path_share;
    case Sort::kImpact:
    case Sort::kName:
      return 0;
  }
  return 0;
}

struct Filter {
  std::string service;
  std::string category;
  std::string grade;
  std::string text;  // in the name, whatever its case
  uint64_t min_count = 0;

  bool Fits(const OperationReport& report) const {
    const std::string_view category_name =
        report.category.empty() ? "none" : std::string_view(report.category);
    const std::string_view grade_name =
        report.grade ? analysis::GradeName(*report.grade) : "none";
    return (service.empty() || report.service == service) &&
           (category.empty() || category_name == category) &&
           (grade.empty() || grade_name == grade) &&
           (text.empty() || ContainsIgnoringCase(report.operation, text)) &&
           report.count >= min_count;
  }
};

// "b,F" -> "F"; the letter of one grade, or none.
std::string GradeParam(TracingParams& params) {
  const std::string text = params.Text("grade");
  if (text.empty() || text == "none") return text;
  if (const auto grade = analysis::ParseGrade(text)) {
    return std::string(analysis::GradeName(*grade));
  }
  params.Fail("grade", "grade: '" + SanitizeUtf8(text) +
                           "' is none of A, B, C, D, F, none");
  return "";
}

void SortReports(std::vector<const OperationReport*>* reports, Sort sort,
                 Order order) {
  const auto by_name = [](const OperationReport* a, const OperationReport* b) {
    return std::tie(a->operation, a->service, a->category) <
           std::tie(b->operation, b->service, b->category);
  };
  // The snapshot is in order of impact.
  if (sort == Sort::kName) {
    std::ranges::stable_sort(*reports, by_name);
  } else if (sort != Sort::kImpact) {
    std::ranges::stable_sort(
        *reports, std::greater(),
        [sort](const OperationReport* report) { return KeyOf(*report, sort); });
  }
  const Order usual =
      sort == Sort::kName ? Order::kAscending : Order::kDescending;
  if (order != Order::kDefault && order != usual)
    std::ranges::reverse(*reports);
}

Result<HttpResponse> Operations(TracingCall& call) {
  TracingParams& params = call.params;
  const analysis::Window window = params.Window();
  Filter filter;
  filter.service = params.Text("service");
  filter.category = params.Text("category");
  filter.grade = GradeParam(params);
  filter.text = params.Text("search");
  filter.min_count = params.Count("min_count", 0, 0, 1'000'000'000'000);
  const Sort sort = params.Choice<Sort>("sort", kSorts);
  const Order order = params.Choice<Order>("order", kOrders);
  const size_t offset = params.Offset();
  const size_t limit = params.Count("limit", 50, 1, 1000);
  RETURN_IF_ERROR(CheckParams(call));
  ASSIGN_OR_RETURN(const analysis::SnapshotPtr snapshot,
                   call.site.analyzer.Look(call.context, window));
  std::vector<const OperationReport*> reports;
  for (const OperationReport& report : snapshot->operations) {
    if (filter.Fits(report)) reports.push_back(&report);
  }
  SortReports(&reports, sort, order);
  const size_t begin = std::min(offset, reports.size());
  const size_t end = std::min(begin + limit, reports.size());
  return TracingAnswer(
      call.request, snapshot->generated_at, [&](JsonWriter& w) {
        PutWindow(w, snapshot->window);
        PutCount(w, "count", end - begin);
        PutCount(w, "total", reports.size());
        PutCursor(w, params.NextOffset(window, end, reports.size()));
        if (reports.empty()) {
          const std::string hint =
              EmptyHint(call, snapshot->window, snapshot->spans);
          PutText(w, "hint",
                  hint.empty() ? "no operation fits; there are more without "
                                 "service, category, grade, search and "
                                 "min_count"
                               : hint);
        }
        w.Key("operations");
        w.BeginArray();
        for (size_t i = begin; i < end; ++i) {
          w.BeginObject();
          PutOperation(w, *reports[i]);
          w.EndObject();
        }
        w.EndArray();
      });
}

constexpr std::string_view kListParameters[] = {
    "window", "start",     "end",  "service", "category", "grade",
    "search", "min_count", "sort", "order",   "limit",    "cursor"};
constexpr std::string_view kOneParameters[] = {"window", "start", "end",
                                               "service"};
// What follows the name says what is asked of it: the name itself may have
// slashes, encoded or not.
constexpr TracingRoute kRoutes[] = {
    {"GET", "/api/tracing/operations", kListParameters, Operations},
    {"GET", "/api/tracing/operations/{rest...}", kOneParameters, OneOperation}};

}  // namespace

std::span<const TracingRoute> OperationRoutes() { return kRoutes; }

}  // namespace khtrace::api
