// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/request_context.h"
#include "base/result.h"
#include "model/span_batch.h"
#include "query/span_judge.h"
#include "traceql/ast.h"

namespace khtrace::query {

// The rows of a whole trace, as TraceReader::GetTrace gives it, for which a
// checked condition holds, in order. `judge`: for perf:category and perf:grade.
// kInvalidArgument: an integer is divided by zero. kUnimplemented: names what
// cannot be evaluated.
Result<std::vector<model::RowIndex>> FilterTrace(
    const RequestContext& context, const model::SpanBatchPtr& trace,
    const traceql::FieldExpr& condition, const SpanJudge* judge = nullptr);

}  // namespace khtrace::query
