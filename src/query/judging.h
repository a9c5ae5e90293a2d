// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/partial_rows.h"
#include "query/expression.h"
#include "query/span_judge.h"
#include "storage/attribute_keys.h"
#include "storage/trace_frame.h"
#include "storage/trace_store.h"
#include "traceql/ast.h"

// How perf:category and perf:grade come to be columns of a frame: each
// combination of name, service, kind and trait that a frame has is judged once.

namespace khtrace::query {

// Of one plan. Immutable; borrows the judge.
struct Judging {
  const SpanJudge* judge = nullptr;
  // Columns of the plan.
  uint32_t name = 0;
  uint32_t service = 0;
  uint32_t kind = 0;
  uint32_t duration = 0;
  // The attributes of spans that are a trait, the least trait first.
  std::vector<std::pair<aggregate::Trait, uint32_t>> traits;
  // Behind the values is a code for "none".
  std::shared_ptr<const storage::FrameDictionary> categories;
  std::shared_ptr<const storage::FrameDictionary> grades;
  // Names the judge and the keys looked for.
  std::string identity;
};

// Whether perf:category or perf:grade is in it.
bool MentionsJudgement(const traceql::Query& query);
bool MentionsJudgement(const traceql::FieldExpr& expr);
bool IsJudgement(const traceql::Attribute& attribute);
// kUnimplemented if it is, and nobody judges.
Status CheckJudge(const traceql::Query& query, const SpanJudge* judge);

// Lets `columns` have leaves of perf:category and perf:grade. `keys`: at least
// those of the attributes of the spans that will be looked at.
void AddJudging(const SpanJudge& judge,
                const storage::AttributeKeys::Keys& keys, ColumnSet* columns);
// The same if the query needs it, for everything stored. kUnimplemented: the
// query needs a judge, and there is none.
Status AddJudging(storage::TraceReader& reader, const RequestContext& context,
                  const traceql::Query& query, const SpanJudge* judge,
                  ColumnSet* columns);

}  // namespace khtrace::query
