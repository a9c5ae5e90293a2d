// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "query/expression.h"
#include "query/profile.h"
#include "query/search.h"
#include "query/search_order.h"
#include "query/spansets.h"
#include "query/trace_hits.h"
#include "traceql/ast.h"

namespace khtrace::query {

// A search made ready to run. Borrows the query. Stays where it is while it
// runs: what is found out about its conditions is kept by their addresses.
struct SearchPlan {
  const traceql::Pipeline* source = nullptr;
  TraceOrder order;
  std::optional<TraceRank> after;  // only traces behind it
  PipelinePlan pipeline;
  HitColumns hits;
  ColumnSet columns;
};

// Errors as Search.
Result<SearchPlan> MakeSearchPlan(storage::TraceReader& reader,
                                  const RequestContext& context,
                                  const SearchRequest& request);

// `profile`: what the operators did; may be nullptr.
Result<SearchResult> RunSearch(storage::TraceReader& reader,
                               const RequestContext& context,
                               const SearchRequest& request,
                               const SearchPlan& plan,
                               ExecutionProfile* profile);

// What of the stored a search goes through.
storage::FrameRequest ScanOf(const SearchRequest& request,
                             const SearchPlan& plan);

}  // namespace khtrace::query
