// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/request_context.h"
#include "storage/columnar/tenant_store.h"
#include "storage/trace_store.h"

// TraceReader's questions, answered from one tenant's view: heads and parts
// together, duplicates once. Pure functions of the view; any thread.
//
// What is corrupt is noted in the view's DamageLog and left out; kDataLoss
// only when nothing else answers.

namespace khtrace::storage::columnar {

Result<model::SpanBatchPtr> GetTrace(const RequestContext& context,
                                     const TenantView& view,
                                     const model::TraceId& id);
Result<std::vector<std::string>> Services(const RequestContext& context,
                                          const TenantView& view);
Result<std::vector<Operation>> Operations(const RequestContext& context,
                                          const TenantView& view,
                                          std::string_view service);
Result<std::unique_ptr<FrameScan>> Scan(const RequestContext& context,
                                        const TenantView& view,
                                        const FrameRequest& request);
Result<aggregate::Partial> Aggregate(const RequestContext& context,
                                     const TenantView& view,
                                     const AggregateRequest& request);
Result<std::vector<DependencyEdge>> Dependencies(const RequestContext& context,
                                                 const TenantView& view,
                                                 UnixNanos start,
                                                 UnixNanos end);
Result<AttributeKeys> Keys(const RequestContext& context,
                           const TenantView& view, UnixNanos start,
                           UnixNanos end);

}  // namespace khtrace::storage::columnar
