// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>
#include <string_view>
#include <vector>

#include "api/tempo_common.h"
#include "api/tempo_trace_diff.h"
#include "base/text.h"
#include "query/trace_diff_summary.h"
#include "traceql/static_value.h"

// The documents of trace diffs, as Tempo's API documentation has them:
// trace-patch-v0, trace-summary-v0-native, and trace-summary-v0-composed, which
// is the second with the first in it.

namespace khtrace::api {
namespace {

using model::AttrType;
using model::AttrValue;
using query::DiffTrace;
using query::TraceDiff;
using query::TraceDiffSummary;
using Span = DiffTrace::Span;

int64_t Milliseconds(int64_t nanos) { return nanos / 1'000'000; }

class Writer {
 public:
  Writer(const DiffTrace& base, const DiffTrace& compare, size_t max_bytes,
         std::string* out)
      : base_(base),
        compare_(compare),
        diff_(query::CompareTraces(base, compare)),
        max_bytes_(max_bytes),
        out_(*out),
        w_(out),
        warnings_(WarningsOf(base, compare)) {}

  Status Patch();
  void Summary();

 private:
  Status Check() const {
    if (out_.size() <= max_bytes_) return {};
    return Error{Code::kResourceExhausted,
                 fmt::format("the difference is larger than {} bytes; ask for "
                             "trace-summary-v0-native",
                             max_bytes_)};
  }
  void Text(std::string_view key, std::string_view value) {
    w_.Key(key);
    w_.String(value);
  }
  void Number(std::string_view key, uint64_t value) {
    w_.Key(key);
    w_.Uint(value);
  }
  void Signed(std::string_view key, int64_t value) {
    w_.Key(key);
    w_.Int(value);
  }
  void Path(std::string_view key, const std::vector<uint32_t>& path) {
    w_.Key(key);
    w_.BeginArray();
    for (const uint32_t position : path) w_.Uint(position);
    w_.EndArray();
  }
  void TraceId(const DiffTrace& trace) {
    const auto& ids = trace.batch().spans().trace_id;
    Text("traceId", ids.empty() ? std::string() : ids.front().ToHex());
  }
  void Reference(const Span& span, const std::vector<uint32_t>& path);
  void Snapshot(const Span& span, const std::vector<uint32_t>& path);
  void Value(const AttrValue& value);
  void Duration(const std::optional<uint64_t>& duration);
  void FieldChange(std::string_view name);
  void Attribute(const query::AttributeChange& change);
  void Modified(const query::ModifiedSpan& change);
  void Added(uint32_t number);
  void Removed(uint32_t number);
  void Side(std::string_view key, const DiffTrace& trace,
            const TraceDiffSummary::Side& side);
  void Service(const TraceDiffSummary::Service& service);
  void Signal(std::string_view key, int64_t change);
  void Changes(const TraceDiffSummary& summary);
  void Warnings();

  const DiffTrace& base_;
  const DiffTrace& compare_;
  const TraceDiff diff_;
  const size_t max_bytes_;
  std::string& out_;
  wire::JsonWriter w_;
  const std::vector<TraceDiffWarning> warnings_;
};

void Writer::Reference(const Span& span, const std::vector<uint32_t>& path) {
  Path("path", path);
  Text("service", span.service);
  Text("name", span.name);
  Text("kind", traceql::KindName(span.kind));
}

void Writer::Snapshot(const Span& span, const std::vector<uint32_t>& path) {
  w_.Key("span");
  w_.BeginObject();
  Reference(span, path);
  Number("duration_nanos", span.duration.value_or(0));
  Text("status", traceql::StatusName(span.status));
  w_.EndObject();
}

// As a JSON value; numbers that are none there as text, bytes in Base64.
void Writer::Value(const AttrValue& value) {
  switch (value.type) {
    case AttrType::kEmpty:
      return w_.Null();
    case AttrType::kString:
      return w_.String(value.bytes);
    case AttrType::kBool:
      return w_.Bool(value.AsBool());
    case AttrType::kInt:
      return w_.Int(value.AsInt());
    case AttrType::kBytes:
      return w_.String(Base64Encode(value.bytes));
    case AttrType::kDouble: {
      const double number = value.AsDouble();
      if (std::isfinite(number)) return w_.Double(number);
      return w_.String(std::isnan(number) ? "NaN"
                       : number > 0       ? "+Inf"
                                          : "-Inf");
    }
    case AttrType::kArray:
    case AttrType::kKvList:
      break;
  }
  const bool list = value.type == AttrType::kArray;
  list ? w_.BeginArray() : w_.BeginObject();
  model::ForEachNested(value,
                       [&](std::string_view key, const AttrValue& nested) {
                         if (!list) w_.EscapedKey(key);
                         Value(nested);
                         return true;
                       });
  list ? w_.EndArray() : w_.EndObject();
}

void Writer::Duration(const std::optional<uint64_t>& duration) {
  duration ? w_.Uint(*duration) : w_.Null();
}

void Writer::FieldChange(std::string_view name) {
  Text("op", "modify");
  w_.Key("target");
  w_.BeginObject();
  Text("type", "field");
  Text("name", name);
  w_.EndObject();
}

void Writer::Attribute(const query::AttributeChange& change) {
  w_.BeginObject();
  Text("op", !change.before ? "add" : !change.after ? "remove" : "modify");
  w_.Key("target");
  w_.BeginObject();
  Text("type", "attribute");
  Text("scope", "span");
  Text("key", change.key);
  w_.EndObject();
  w_.Key("before");
  change.before ? Value(*change.before) : w_.Null();
  w_.Key("after");
  change.after ? Value(*change.after) : w_.Null();
  w_.EndObject();
}

void Writer::Modified(const query::ModifiedSpan& change) {
  const Span& before = base_.spans()[change.base];
  const Span& after = compare_.spans()[change.compare];
  w_.BeginObject();
  w_.Key("span");
  w_.BeginObject();
  Reference(after, compare_.PathOf(change.compare));
  w_.EndObject();
  w_.Key("changes");
  w_.BeginArray();
  if (change.duration) {
    w_.BeginObject();
    FieldChange("duration_nanos");
    w_.Key("before");
    Duration(before.duration);
    w_.Key("after");
    Duration(after.duration);
    w_.EndObject();
  }
  if (change.status) {
    w_.BeginObject();
    FieldChange("status");
    Text("before", traceql::StatusName(before.status));
    Text("after", traceql::StatusName(after.status));
    w_.EndObject();
  }
  for (const query::AttributeChange& one : change.attributes) Attribute(one);
  w_.EndArray();
  w_.EndObject();
}

void Writer::Added(uint32_t number) {
  const std::vector<uint32_t> path = compare_.PathOf(number);
  const std::vector<uint32_t> parent(path.begin(), path.end() - 1);
  w_.BeginObject();
  w_.Key("target");
  w_.BeginObject();
  Text("type", "span");
  if (!parent.empty()) Path("parentPath", parent);
  Number("index", path.back());
  w_.EndObject();
  Snapshot(compare_.spans()[number], path);
  w_.EndObject();
}

void Writer::Removed(uint32_t number) {
  const std::vector<uint32_t> path = base_.PathOf(number);
  w_.BeginObject();
  w_.Key("target");
  w_.BeginObject();
  Text("type", "span");
  Path("path", path);
  w_.EndObject();
  Snapshot(base_.spans()[number], path);
  w_.EndObject();
}

void Writer::Warnings() {
  w_.Key("warnings");
  w_.BeginArray();
  for (const TraceDiffWarning& warning : warnings_) {
    w_.BeginObject();
    Text("code", warning.code);
    Text("message", warning.message);
    w_.EndObject();
  }
  w_.EndArray();
}

Status Writer::Patch() {
  const auto meta = [this](std::string_view key, const DiffTrace& trace) {
    w_.Key(key);
    w_.BeginObject();
    TraceId(trace);
    Number("spanCount", trace.spans().size());
    w_.EndObject();
  };
  w_.BeginObject();
  Text("version", "trace-patch-v0");
  meta("base", base_);
  meta("compare", compare_);
  w_.Key("stats");
  w_.BeginObject();
  Number("spanCountA", base_.spans().size());
  Number("spanCountB", compare_.spans().size());
  Number("matchedSpans", diff_.matched);
  Number("modifiedSpans", diff_.modified.size());
  Number("addedSpans", diff_.added.size());
  Number("removedSpans", diff_.removed.size());
  Number("fieldChanges", diff_.field_changes);
  Number("attributeChanges", diff_.attribute_changes);
  Number("eventChanges", 0);  // events are not compared
  w_.Key("truncated");
  w_.Bool(false);
  w_.EndObject();
  const auto list = [this](std::string_view key, const auto& items,
                           const auto& write) -> Status {
    w_.Key(key);
    w_.BeginArray();
    for (const auto& item : items) {
      write(item);
      RETURN_IF_ERROR(Check());
    }
    w_.EndArray();
    return {};
  };
  RETURN_IF_ERROR(list("modified", diff_.modified,
                       [this](const auto& change) { Modified(change); }));
  RETURN_IF_ERROR(
      list("added", diff_.added, [this](uint32_t number) { Added(number); }));
  RETURN_IF_ERROR(list("removed", diff_.removed,
                       [this](uint32_t number) { Removed(number); }));
  Warnings();
  w_.EndObject();
  return {};
}

void Writer::Side(std::string_view key, const DiffTrace& trace,
                  const TraceDiffSummary::Side& side) {
  w_.Key(key);
  w_.BeginObject();
  TraceId(trace);
  if (!side.root_service.empty()) Text("rootService", side.root_service);
  if (!side.root_name.empty()) Text("rootName", side.root_name);
  Number("spanCount", trace.spans().size());
  Number("errorSpanCount", side.errors);
  Number("durationMs", side.duration / 1'000'000);
  Number("sumSpanDurationMs", side.sum / 1'000'000);
  w_.EndObject();
}

void Writer::Service(const TraceDiffSummary::Service& service) {
  w_.BeginObject();
  Text("name", service.name);
  Signed("sumSpanDurationDeltaMs", Milliseconds(service.sum_change));
  Number("modified", service.modified);
  Number("added", service.added);
  Number("removed", service.removed);
  Number("newErrors", service.new_errors);
  Number("resolvedErrors", service.resolved_errors);
  w_.EndObject();
}

void Writer::Signal(std::string_view key, int64_t change) {
  Text(key, change > 0 ? "increased" : change < 0 ? "decreased" : "unchanged");
}

// Signals, how much of it is comparable, and counts.
void Writer::Changes(const TraceDiffSummary& summary) {
  const auto change = [](uint64_t before, uint64_t after) {
    return static_cast<int64_t>(after) - static_cast<int64_t>(before);
  };
  const int64_t latency =
      Milliseconds(change(summary.base.duration, summary.compare.duration));
  const int64_t sum =
      Milliseconds(change(summary.base.sum, summary.compare.sum));
  const int64_t errors = change(summary.base.errors, summary.compare.errors);
  const int64_t spans = change(base_.spans().size(), compare_.spans().size());
  w_.Key("signals");
  w_.BeginObject();
  Signal("traceLatency", latency);
  Signal("sumSpanDuration", sum);
  Signal("errors", errors);
  Signal("spanCount", spans);
  Text("structure", summary.structure_changed ? "changed" : "unchanged");
  w_.EndObject();
  w_.Key("trust");
  w_.BeginObject();
  w_.Key("matchedSpanRatio");
  w_.Double(summary.of_larger);
  w_.Key("structureOverlap");
  w_.Double(summary.of_smaller);
  w_.EndObject();
  w_.Key("stats");
  w_.BeginObject();
  Signed("traceLatencyDeltaMs", latency);
  Signed("sumSpanDurationDeltaMs", sum);
  Signed("spanCountDelta", spans);
  Signed("errorSpanDelta", errors);
  Number("matchedSpans", diff_.matched);
  Number("modifiedSpans", diff_.modified.size());
  Number("addedSpans", diff_.added.size());
  Number("removedSpans", diff_.removed.size());
  Number("fieldChanges", diff_.field_changes);
  Number("attributeChanges", diff_.attribute_changes);
  w_.EndObject();
}

void Writer::Summary() {
  const TraceDiffSummary summary = query::Summarize(base_, compare_, diff_);
  w_.BeginObject();
  Text("version", "trace-summary-v0-native");
  Side("base", base_, summary.base);
  Side("compare", compare_, summary.compare);
  Changes(summary);
  if (!warnings_.empty()) Warnings();
  w_.Key("changedServices");
  w_.BeginArray();
  for (const std::string& service : summary.changed_services) {
    w_.String(service);
  }
  w_.EndArray();
  w_.Key("services");
  w_.BeginArray();
  for (const auto& service : summary.services) Service(service);
  w_.EndArray();
  w_.EndObject();
}

}  // namespace

Result<std::string> TraceDiffJson(const DiffTrace& base,
                                  const DiffTrace& compare,
                                  TraceDiffRequest::Format format,
                                  size_t max_bytes) {
  using Format = TraceDiffRequest::Format;
  std::string patch;
  if (format != Format::kSummary) {
    RETURN_IF_ERROR(Writer(base, compare, max_bytes, &patch).Patch());
  }
  if (format == Format::kPatch) return patch;
  std::string summary;
  Writer(base, compare, max_bytes, &summary).Summary();
  if (format == Format::kSummary) return summary;
  std::string body;
  wire::JsonWriter w(&body);
  w.BeginObject();
  w.Key("version");
  w.String("trace-summary-v0-composed");
  w.Key("summary");
  w.Raw(summary);
  if (patch.size() <= kMaxComposedPatchBytes) {
    w.Key("patch");
    w.Raw(patch);
  } else {
    w.Key("patchOmitted");
    w.BeginObject();
    w.Key("bytes");
    w.Uint(patch.size());
    w.Key("reason");
    w.String("over_budget");
    w.EndObject();
  }
  w.EndObject();
  return body;
}

}  // namespace khtrace::api
