// SPDX-License-Identifier: Apache-2.0
#include "query/reference/field.h"

#include <gtest/gtest.h>

#include <string>

#include "model/span_batch_builder.h"
#include "query/reference/trace.h"
#include "traceql/parser.h"

namespace khtrace::query::reference {
namespace {

// A span with so many events and links; the attribute n numbers each.
model::SpanBatch SpanWith(int events, int links) {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddScope("", "");
  model::SpanBatchBuilder::SpanFields fields;
  fields.trace_id = {0, 1};
  fields.span_id = {1};
  builder.AddSpan(fields);
  for (int i = 0; i < events; ++i) {
    builder.AddEvent({}, "e");
    builder.AddEventAttribute("n", model::AttrValue::Int(i));
  }
  for (int i = 0; i < links; ++i) {
    builder.AddLink({0, 1}, {1});
    builder.AddLinkAttribute("n", model::AttrValue::Int(i));
  }
  return builder.Build();
}

bool Holds(const model::SpanBatch& batch, const std::string& filter) {
  const auto query = traceql::ParseQuery(filter);
  if (!query) {
    ADD_FAILURE() << query.error().message;
    return false;
  }
  const auto& stage = std::get<traceql::Pipeline>(query->root).stages.front();
  const auto& expr = std::get<traceql::SpansetExpr>(stage);
  const Trace trace(batch);
  const auto holds = FieldEvaluator().Holds(
      trace, 0, std::get<traceql::SpansetFilter>(expr.node).condition);
  EXPECT_TRUE(holds);
  return holds && *holds;
}

TEST(FieldEvaluator, TriesTheFirstHundredThousandPairsOfEventAndLink) {
  // Pair (398, 101) is number 398 * 251 + 101 = 99,999, from 0 on.
  const model::SpanBatch batch = SpanWith(400, 251);
  EXPECT_TRUE(Holds(batch, "{ event.n = 398 && link.n = 101 }"));
  EXPECT_FALSE(Holds(batch, "{ event.n = 398 && link.n = 102 }"));
  EXPECT_FALSE(Holds(batch, "{ event.n = 399 && link.n = 0 }"));
  EXPECT_TRUE(Holds(batch, "{ event.n = 399 }"));
  EXPECT_TRUE(Holds(batch, "{ link.n = 250 }"));
}

}  // namespace
}  // namespace khtrace::query::reference
