// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_trace_filter.h"

#include <fmt/format.h>

#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/params.h"
#include "model/span_batch_builder.h"
#include "query/filter_trace.h"
#include "traceql/checker.h"
#include "traceql/parser.h"

namespace khtrace::api {
namespace {

using query::Relatives;
using traceql::MetricsExpr;
using traceql::Pipeline;
using traceql::SpansetExpr;
using traceql::SpansetFilter;

Error Refused(std::string_view reason) {
  return Error{Code::kInvalidArgument,
               fmt::format("invalid TraceQL filter: {}", reason)};
}

Error NoFilter(std::string_view what) {
  return Refused(
      fmt::format("only a single TraceQL filter is supported: got {}", what));
}

Result<traceql::FieldExpr> ReadCondition(std::string_view q) {
  const auto unreadable = [](const Error& error) {
    return Refused("failed to parse TraceQL spanset filter: " + error.message);
  };
  Result<traceql::Query> query = traceql::ParseQuery(q);
  if (!query) return unreadable(query.error());
  const Status checked = traceql::CheckQuery(*query);
  if (!checked) return unreadable(checked.error());
  auto* pipeline = std::get_if<Pipeline>(&query->root);
  if (pipeline == nullptr) return NoFilter("a metrics query");
  auto* spansets = std::get_if<SpansetExpr>(&pipeline->stages.front());
  auto* filter = spansets == nullptr
                     ? nullptr
                     : std::get_if<SpansetFilter>(&spansets->node);
  if (filter != nullptr && pipeline->stages.size() == 1) {
    return std::move(filter->condition);
  }
  for (const traceql::Stage& stage : pipeline->stages) {
    const auto* expr = std::get_if<SpansetExpr>(&stage);
    const bool plain =
        expr == nullptr ? !std::holds_alternative<traceql::ScalarFilter>(stage)
                        : std::holds_alternative<SpansetFilter>(expr->node);
    if (!plain) return NoFilter("a structural or aggregate query");
  }
  return NoFilter(fmt::format("{} pipeline elements", pipeline->stages.size()));
}

std::string_view WithoutSpace(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

std::string Wording(std::string_view name, std::string_view reason) {
  return fmt::format("invalid value for {}: {}", name, reason);
}

// -1 is all, whatever is below it a mistake.
uint32_t ReadDepth(std::string_view name, int64_t fallback,
                   ParamReader* params) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const int64_t depth = params->Integer({name}, fallback, kMin, kMax);
  if (depth < -1) params->Fail(Wording(name, "must be >= -1"));
  if (depth < 0 || depth > int64_t{Relatives::kAll}) return Relatives::kAll;
  return static_cast<uint32_t>(depth);
}

}  // namespace

Result<std::optional<TraceSpanFilter>> ReadTraceFilter(
    const net::QueryParams& query) {
  ParamReader params(query, Wording);
  const std::string_view q = WithoutSpace(params.Text({"q"}).value_or(""));
  if (q.empty()) return std::optional<TraceSpanFilter>();
  TraceSpanFilter filter;
  const bool hierarchy = params.Bool({"keep_hierarchy"});
  filter.around.descendants = ReadDepth("match_depth", 0, &params);
  if (hierarchy)
    filter.around.ancestors = ReadDepth("ancestor_depth", -1, &params);
  RETURN_IF_ERROR(params.status());
  ASSIGN_OR_RETURN(filter.condition, ReadCondition(q));
  return std::optional(std::move(filter));
}

Result<model::SpanBatchPtr> Apply(const TraceSpanFilter& filter,
                                  const ApiContext& api,
                                  const RequestContext& context,
                                  const model::SpanBatchPtr& trace) {
  ASSIGN_OR_RETURN(
      const std::vector<model::RowIndex> matched,
      query::FilterTrace(context, trace, filter.condition, api.judge));
  const std::vector<model::RowIndex> rows =
      query::WithRelatives(*trace, matched, filter.around);
  if (rows.empty()) return model::SpanBatchPtr();
  if (rows.size() == trace->row_count()) return trace;
  return std::make_shared<const model::SpanBatch>(model::Compact(*trace, rows));
}

}  // namespace khtrace::api
