// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "model/span_batch.h"

namespace khtrace::codec {

// The rows of a batch as OTLP nests them: by resource, then by scope, each in
// the order of its first span, and rows in their own order.
struct ScopeGroup {
  uint32_t scope;  // index into the batch's scopes
  std::vector<model::RowIndex> rows;
};
struct ResourceGroup {
  uint32_t resource;  // index into the batch's resources
  std::vector<ScopeGroup> scopes;
};

std::vector<ResourceGroup> GroupRows(const model::SpanBatch& batch);

}  // namespace khtrace::codec
