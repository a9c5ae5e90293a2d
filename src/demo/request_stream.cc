// SPDX-License-Identifier: Apache-2.0
#include "demo/request_stream.h"

#include <fmt/format.h>

#include "base/hash.h"

namespace khtrace::demo {
namespace {

using model::AttrValue;

constexpr size_t kMaxPods = 8;  // of one service
constexpr size_t kPodSlots = kServiceCount * kMaxPods * 2;

// Average spans of a trace: measured, see RequestStream's test.
constexpr double kSpansPerTrace = 18.5;

// W3C flags: sampled; and it is known whether the parent is remote.
constexpr uint32_t kSpanFlags = 0x101;

size_t PodSlot(Pod pod) {
  return (static_cast<size_t>(pod.service) * kMaxPods + pod.number) * 2 +
         (pod.next_version ? 1 : 0);
}

void AddResourceAttributes(Pod pod, model::SpanBatchBuilder& builder) {
  const ServiceSpec& spec = Spec(pod.service);
  const uint64_t id = Mix64(PodSlot(pod) + 1);
  const auto text = [&](std::string_view key, std::string_view value) {
    builder.AddResourceAttribute(key, AttrValue::String(value));
  };
  text("service.name", spec.name);
  text("service.namespace", "shop");
  text("service.version", pod.next_version ? spec.next_version : spec.version);
  text("service.instance.id",
       fmt::format("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", id >> 32,
                   id >> 16 & 0xffff, id & 0xfff, id >> 20 & 0xfff,
                   Mix64(id) >> 16));
  text("deployment.environment.name", "production");
  text("k8s.namespace.name", "shop");
  text("k8s.pod.name",
       fmt::format("{}-{:08x}-{:05x}", spec.name,
                   Mix64(PodSlot(pod) / kMaxPods) >> 32, id & 0xfffff));
  text("host.name", fmt::format("node-{}.cluster.internal", id % 9 + 1));
  text("cloud.region", "eu-central-1");
  builder.AddResourceAttribute(
      "process.pid", AttrValue::Int(static_cast<int64_t>(id % 40 + 1)));
  text("telemetry.sdk.name", "opentelemetry");
  text("telemetry.sdk.language", SdkLanguage(spec.language));
  text("telemetry.sdk.version", SdkVersion(spec.language));
}

}  // namespace

// Resources and scopes are added when their first span comes, in between the
// spans of others; each span's scope is therefore set by hand.
uint32_t BatchAssembler::ResourceOf(Pod pod) {
  if (resources_.empty()) resources_.resize(kPodSlots);
  uint32_t& slot = resources_[PodSlot(pod)];
  if (slot == 0) {
    slot = builder_.AddResource() + 1;
    AddResourceAttributes(pod, builder_);
  }
  return slot - 1;
}

uint32_t BatchAssembler::ScopeOf(Pod pod, ScopeId scope) {
  if (scopes_.empty()) scopes_.resize(kPodSlots * kScopeCount);
  uint32_t& slot =
      scopes_[PodSlot(pod) * kScopeCount + static_cast<size_t>(scope)];
  if (slot == 0) {
    const uint32_t resource = ResourceOf(pod);
    const ScopeSpec& spec = Spec(scope);
    slot = builder_.AddScope(spec.name, spec.version) + 1;
    builder_.data().scopes[slot - 1].resource = resource;
  }
  return slot - 1;
}

void BatchAssembler::AddSpan(const TraceSketch& trace,
                             const TraceSketch::Span& span) {
  const uint32_t scope = ScopeOf(span.pod, span.scope);
  model::SpanBatchBuilder::SpanFields fields;
  fields.trace_id = trace.trace_id;
  fields.span_id = span.id;
  if (span.parent != kNone) {
    fields.parent_span_id = trace.spans[span.parent].id;
  }
  fields.start = trace.start.Plus(span.start);
  fields.end = trace.start.Plus(span.end);
  fields.name = span.name;
  fields.status_message = span.status_message;
  fields.kind = span.kind;
  fields.status = span.status;
  fields.flags = kSpanFlags;
  builder_.AddSpan(fields);
  builder_.data().spans.scope.back() = scope;
  const auto each = [&](const TraceSketch::AttributeList& list, auto add) {
    for (uint32_t i = list.first; i != kNone; i = trace.attributes[i].next) {
      add(trace.attributes[i].key, trace.attributes[i].value);
    }
  };
  each(span.attributes, [&](std::string_view key, const AttrValue& value) {
    builder_.AddSpanAttribute(key, value);
  });
  for (uint32_t i = span.first_event; i != kNone; i = trace.events[i].next) {
    builder_.AddEvent(trace.start.Plus(trace.events[i].time),
                      trace.events[i].name);
    each(trace.events[i].attributes,
         [&](std::string_view key, const AttrValue& value) {
           builder_.AddEventAttribute(key, value);
         });
  }
  for (uint32_t i = span.first_link; i != kNone; i = trace.links[i].next) {
    builder_.AddLink(trace.links[i].trace_id, trace.links[i].span_id, {}, 1);
  }
}

void BatchAssembler::Add(const TraceSketch& trace) {
  for (const TraceSketch::Span& span : trace.spans) AddSpan(trace, span);
}

void BatchAssembler::AddService(const TraceSketch& trace, ServiceId only) {
  for (const TraceSketch::Span& span : trace.spans) {
    if (span.pod.service == only) AddSpan(trace, span);
  }
}

void BatchAssembler::AddAllBut(const TraceSketch& trace, ServiceId except) {
  for (const TraceSketch::Span& span : trace.spans) {
    if (span.pod.service != except) AddSpan(trace, span);
  }
}

model::SpanBatch BatchAssembler::Take() {
  resources_.clear();
  scopes_.clear();
  return builder_.Build();
}

RequestStream::RequestStream(const RequestStreamOptions& options)
    : options_(options),
      workload_(options.workload),
      rng_(Mix64(options.workload.seed ^ 0x72657175)),
      position_(options.start) {}

void RequestStream::AddTrace() {
  const TraceSketch& trace = workload_.NextTrace(position_);
  if (rng_.Chance(options_.late_share)) {
    const ServiceId late =
        trace.spans[rng_.Below(trace.spans.size())].pod.service;
    current_.AddAllBut(trace, late);
    next_.AddService(trace, late);
  } else {
    current_.Add(trace);
  }
  // Between half and one and a half of the mean distance.
  const double mean_ns = 1e9 * kSpansPerTrace / options_.spans_per_second;
  position_ = position_.Plus(std::chrono::nanoseconds(
      static_cast<int64_t>(mean_ns * (0.5 + rng_.Unit()))));
}

model::SpanBatch RequestStream::Next() {
  while (current_.span_count() < options_.spans_per_request) AddTrace();
  model::SpanBatch batch = current_.Take();
  std::swap(current_, next_);
  return batch;
}

model::SpanBatch RequestStream::Finish() {
  return current_.span_count() > 0 ? current_.Take() : next_.Take();
}

}  // namespace khtrace::demo
