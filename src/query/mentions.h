// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "traceql/ast.h"

namespace khtrace::query {

struct Mention {
  traceql::Attribute attribute;
  bool tested_for_nil = false;  // by "= nil"
};

// The attributes of a pipeline (a condition, a whole query) in the order in
// which they are read, each once.
std::vector<Mention> MentionsOf(const traceql::Pipeline& pipeline);
std::vector<Mention> MentionsOf(const traceql::FieldExpr& expr);
std::vector<Mention> MentionsOf(const traceql::Query& query);

// What a search runs: of a metrics query, the first pipeline as it is read.
const traceql::Pipeline& PipelineOf(const traceql::Query& query);

// Whether it has its own field in an answer, or belongs to the trace.
bool ShownElsewhere(const traceql::Attribute& attribute);
// What it is called among a span's values.
std::string KeyOf(const traceql::Attribute& attribute);

}  // namespace khtrace::query
