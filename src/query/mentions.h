// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/result.h"
#include "traceql/ast.h"

namespace khtrace::query {

struct Mention {
  traceql::Attribute attribute;
  bool tested_for_nil = false;  // by "= nil"
};

// The attributes of a pipeline in the order in which they are read, each once.
std::vector<Mention> MentionsOf(const traceql::Pipeline& pipeline);

// kUnimplemented if the query mentions an intrinsic for which there are no
// values yet: perf:grade, perf:category.
Status CheckSupported(const traceql::Query& query);

}  // namespace khtrace::query
