// SPDX-License-Identifier: Apache-2.0
#include "query/filter_trace.h"

#include <memory>
#include <utility>

#include "query/expression.h"
#include "query/frame_eval.h"
#include "query/judging.h"
#include "storage/batch_frame.h"

namespace khtrace::query {
namespace {

// At least those of spans: a batch has one table for all that carry keys.
storage::AttributeKeys::Keys KeysOf(const model::SpanBatch& trace) {
  storage::AttributeKeys::Keys keys;
  for (size_t code = 0; code < trace.key_count(); ++code) {
    keys.emplace(trace.Key(static_cast<model::KeyCode>(code)));
  }
  return keys;
}

}  // namespace

Result<std::vector<model::RowIndex>> FilterTrace(
    const RequestContext& context, const model::SpanBatchPtr& trace,
    const traceql::FieldExpr& condition, const SpanJudge* judge) {
  ColumnSet columns;
  if (judge != nullptr && MentionsJudgement(condition)) {
    AddJudging(*judge, KeysOf(*trace), &columns);
  }
  ASSIGN_OR_RETURN(const Expr truth, MakeCondition(condition, &columns));
  auto request = std::make_shared<storage::FrameRequest>();
  request->columns = columns.keys();
  std::vector<model::RowRef> rows;
  for (model::RowIndex row = 0; row < trace->row_count(); ++row) {
    rows.push_back({trace.get(), row});
  }
  const auto frame =
      storage::MakeBatchFrame(std::move(request), std::move(rows), {trace});
  PredicateTables tables;
  FrameEval eval(*frame, tables, context);
  Mask mask(trace->row_count(), 1);
  RETURN_IF_ERROR(eval.Filter(truth, &mask));
  std::vector<model::RowIndex> held;
  for (model::RowIndex row = 0; row < mask.size(); ++row) {
    if (mask[row] != 0) held.push_back(row);
  }
  return held;
}

}  // namespace khtrace::query
