// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "query/reference/trace.h"
#include "traceql/ast.h"

namespace khtrace::query::reference {

// `L op R` for the structural operators, pair by pair. All ascending.
std::vector<uint32_t> Related(const Trace& trace, traceql::SpansetOp op,
                              const std::vector<uint32_t>& left,
                              const std::vector<uint32_t>& right);

std::vector<uint32_t> Union(const std::vector<uint32_t>& a,
                            const std::vector<uint32_t>& b);

}  // namespace khtrace::query::reference
