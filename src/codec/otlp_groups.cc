// SPDX-License-Identifier: Apache-2.0
#include "codec/otlp_groups.h"

namespace khtrace::codec {

std::vector<ResourceGroup> GroupRows(const model::SpanBatch& batch) {
  constexpr uint32_t kNone = UINT32_MAX;
  std::vector<ResourceGroup> groups;
  // Where each resource's group is, and each scope's within its resource's.
  std::vector<uint32_t> group_of(batch.resources().size(), kNone);
  std::vector<uint32_t> place_of(batch.scopes().size(), kNone);
  for (model::RowIndex row = 0; row < batch.row_count(); ++row) {
    const uint32_t scope = batch.spans().scope[row];
    const uint32_t resource = batch.scopes()[scope].resource;
    if (group_of[resource] == kNone) {
      group_of[resource] = static_cast<uint32_t>(groups.size());
      groups.push_back({resource, {}});
    }
    std::vector<ScopeGroup>& scopes = groups[group_of[resource]].scopes;
    if (place_of[scope] == kNone) {
      place_of[scope] = static_cast<uint32_t>(scopes.size());
      scopes.push_back({scope, {}});
    }
    scopes[place_of[scope]].rows.push_back(row);
  }
  return groups;
}

}  // namespace khtrace::codec
