// SPDX-License-Identifier: Apache-2.0
#include "store_under_test.h"

#include <fmt/format.h>

#include <future>
#include <map>
#include <utility>

#include "aggregate/testing.h"
#include "model/span_batch_builder.h"
#include "model/testing.h"

namespace khtrace::conformance {

using model::AttrValue;
using model::SpanBatch;
using model::SpanBatchPtr;

UnixNanos AtMillis(uint64_t ms) { return {kBase.ns + ms * 1'000'000}; }

SpanBatchPtr MakeBatch(std::initializer_list<SpanSpec> specs) {
  model::SpanBatchBuilder builder;
  std::string_view service;
  for (const SpanSpec& spec : specs) {
    if (builder.row_count() == 0 || spec.service != service) {
      service = spec.service;
      builder.AddResource();
      if (!service.empty()) {
        builder.AddResourceAttribute("service.name",
                                     AttrValue::String(service));
      }
      builder.AddScope("suite", "1");
    }
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {7, spec.trace};
    fields.span_id = {spec.span};
    fields.parent_span_id = {spec.parent};
    fields.start = AtMillis(spec.start_ms);
    fields.end = AtMillis(spec.start_ms + spec.duration_ms);
    fields.name = spec.name;
    fields.kind = spec.kind;
    fields.status = spec.status;
    builder.AddSpan(fields);
  }
  return std::make_shared<const SpanBatch>(builder.Build());
}

RequestContext For(const std::string& tenant) {
  RequestContext context;
  context.tenant = tenant;
  return context;
}

Status WriteNow(storage::TraceStore& store, SpanBatchPtr batch,
                const std::string& tenant) {
  std::promise<Status> answer;
  store.Write(For(tenant), std::move(batch),
              [&](Status status) { answer.set_value(std::move(status)); });
  return answer.get_future().get();
}

std::string DescribeTrace(storage::TraceStore& store,
                          const model::TraceId& id) {
  auto trace = store.GetTrace({}, id);
  if (!trace) return fmt::format("{}", CodeName(trace.error().code));
  std::string text;  // in the order answered: the order is in the contract
  for (model::RowIndex row = 0; row < (*trace)->row_count(); ++row) {
    text += model::DescribeSpan(**trace, row) + "\n";
  }
  return text;
}

std::string DescribeNames(storage::TraceStore& store) {
  auto services = store.Services({});
  if (!services) return services.error().message;
  std::string text;
  for (const std::string& service : *services) {
    text += service + ":";
    auto operations = store.Operations({}, service);
    if (!operations) return operations.error().message;
    for (const storage::Operation& operation : *operations) {
      text += fmt::format(" {}/{}", operation.name,
                          static_cast<int>(operation.kind));
    }
    text += "\n";
  }
  return text;
}

std::string DescribeAggregates(storage::TraceStore& store,
                               const storage::AggregateRequest& request) {
  auto partial = store.Aggregate({}, request);
  if (!partial) return partial.error().message;
  return aggregate::DescribePartial(*partial);
}

std::string DescribeKeys(storage::TraceStore& store, UnixNanos start,
                         UnixNanos end) {
  auto keys = store.Keys({}, start, end);
  if (!keys) return keys.error().message;
  return fmt::format(
      "resource: {}\nspan: {}\nevent: {}\nlink: {}\ninstrumentation: {}\n",
      fmt::join(keys->resource, " "), fmt::join(keys->span, " "),
      fmt::join(keys->event, " "), fmt::join(keys->link, " "),
      fmt::join(keys->instrumentation, " "));
}

std::string DescribeDependencies(storage::TraceStore& store, UnixNanos start,
                                 UnixNanos end) {
  auto edges = store.Dependencies({}, start, end);
  if (!edges) return edges.error().message;
  std::string text;
  for (const storage::DependencyEdge& edge : *edges) {
    text +=
        fmt::format("{} -> {} x{}\n", edge.parent, edge.child, edge.call_count);
  }
  return text;
}

}  // namespace khtrace::conformance
