// SPDX-License-Identifier: Apache-2.0
#include "codec/jaeger_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "codec/jaeger_json_adjust.h"

namespace khtrace::codec {
namespace {

using model::AttrType;
using model::AttrValue;
using model::RowIndex;
using model::SpanBatch;
using wire::JsonWriter;

constexpr std::string_view kServiceName = "service.name";
constexpr std::string_view kRefType = "opentracing.ref_type";
// Integers beyond are strings: JavaScript would round them.
constexpr int64_t kMaxJsonInteger = (int64_t{1} << 53) - 1;

uint64_t Micros(UnixNanos time) { return time.ns / 1000; }

std::string_view KindText(model::SpanKind kind) {
  switch (kind) {
    case model::SpanKind::kInternal:
      return "internal";
    case model::SpanKind::kServer:
      return "server";
    case model::SpanKind::kClient:
      return "client";
    case model::SpanKind::kProducer:
      return "producer";
    case model::SpanKind::kConsumer:
      return "consumer";
    default:
      return "";
  }
}

void WriteKeyValue(std::string_view key, const AttrValue& value,
                   JsonWriter& w) {
  const auto begin = [&](std::string_view type) {
    w.BeginObject();
    w.Key("key");
    w.String(key);
    w.Key("type");
    w.String(type);
    w.Key("value");
  };
  switch (value.type) {
    case AttrType::kBool:
      begin("bool");
      w.Bool(value.AsBool());
      break;
    case AttrType::kInt: {
      begin("int64");
      const int64_t number = value.AsInt();
      const bool exact =
          -kMaxJsonInteger <= number && number <= kMaxJsonInteger;
      exact ? w.Int(number) : w.QuotedInt(number);
      break;
    }
    case AttrType::kDouble:
      begin("float64");
      w.Double(value.AsDouble());
      break;
    case AttrType::kBytes:
      begin("binary");
      w.String(Base64Encode(value.bytes));
      break;
    case AttrType::kString:
      begin("string");
      w.String(value.bytes);
      break;
    default:  // nested values as JSON text, the empty value as ""
      begin("string");
      w.String(ToDisplayString(value));
      break;
  }
  w.EndObject();
}

// Writes one trace.
class TraceWriter {
 public:
  TraceWriter(const SpanBatch& batch, std::span<const RowIndex> rows,
              bool adjust)
      : batch_(batch),
        adjust_(adjust),
        trace_id_(batch.spans().trace_id[rows[0]]),
        trace_id_text_(JaegerTraceIdText(trace_id_)),
        spans_(PlainJaegerSpans(batch, rows)),
        process_of_resource_(batch.resources().size(), 0) {
    if (!adjust) return;
    SeparateSharedIds(batch, &spans_);
    SortJaegerSpans(batch, &spans_);
  }

  void Write(JsonWriter& w) {
    w.BeginObject();
    w.Key("traceID");
    w.String(trace_id_text_);
    w.Key("spans");
    w.BeginArray();
    WriteSpans(w);
    w.EndArray();
    w.Key("processes");
    w.BeginObject();
    for (size_t i = 0; i < processes_.size(); ++i) {
      w.Key(fmt::format("p{}", i + 1));
      w.Raw(processes_[i]);
    }
    w.EndObject();
    w.Key("warnings");
    w.Null();
    w.EndObject();
  }

 private:
  void WriteSpans(JsonWriter& w) {
    for (size_t begin = 0, end; begin < spans_.size(); begin = end) {
      end = begin + 1;
      while (adjust_ && end < spans_.size() &&
             SameSortKey(batch_, spans_[begin], spans_[end])) {
        ++end;
      }
      if (end == begin + 1) {
        WriteSpan(spans_[begin], w);
      } else {
        WriteDistinct({spans_.data() + begin, end - begin}, w);
      }
    }
  }

  // Spans that look alike: those with the same text are duplicates.
  void WriteDistinct(std::span<const JaegerSpan> spans, JsonWriter& w) {
    std::set<std::string> written;
    for (const JaegerSpan& span : spans) {
      std::string text;
      JsonWriter span_writer(&text);
      WriteSpan(span, span_writer);
      const auto [place, fresh] = written.insert(std::move(text));
      if (fresh) w.Raw(*place);
    }
  }

  void WriteSpan(const JaegerSpan& span, JsonWriter& w) {
    const model::SpanColumns& columns = batch_.spans();
    w.BeginObject();
    w.Key("traceID");
    w.String(trace_id_text_);
    w.Key("spanID");
    w.String(span.id.ToHex());
    // Of W3C's flags only "sampled" means the same in Jaeger.
    if ((columns.flags[span.row] & 1) != 0) {
      w.Key("flags");
      w.Int(1);
    }
    w.Key("operationName");
    w.String(batch_.String(columns.name[span.row]));
    w.Key("references");
    WriteReferences(span, w);
    w.Key("startTime");
    w.Uint(Micros(columns.start[span.row]));
    w.Key("duration");
    w.Uint(batch_.DurationNanos(span.row) / 1000);
    w.Key("tags");
    WriteTags(span.row, w);
    w.Key("logs");
    WriteLogs(span.row, w);
    w.Key("processID");
    w.String(fmt::format("p{}", ProcessOf(span.row)));
    w.Key("warnings");
    WriteWarnings(span.row, w);
    w.EndObject();
  }

  bool IsChildOf(model::AttrRange link_attributes) const {
    const model::Attr* type = batch_.Find(link_attributes, kRefType);
    return type != nullptr && batch_.Value(*type).bytes == "child_of";
  }

  // The parent comes first. A link to it only says what kind of parent it is.
  void WriteReferences(const JaegerSpan& span, JsonWriter& w) {
    const model::LinkColumns& links = batch_.links();
    const model::AttrRange range = batch_.LinkRange(span.row);
    const auto to_parent = [&](uint32_t link) {
      return !span.parent.IsZero() && links.span_id[link] == span.parent &&
             links.trace_id[link] == trace_id_;
    };
    w.BeginArray();
    if (!span.parent.IsZero()) {
      bool child_of = true;
      for (uint32_t i = range.begin; i < range.end; ++i) {
        if (to_parent(i)) child_of = IsChildOf(links.attributes[i]);
      }
      WriteReference(child_of, trace_id_, span.parent, w);
    }
    for (uint32_t i = range.begin; i < range.end; ++i) {
      const bool empty =
          links.trace_id[i].IsZero() || links.span_id[i].IsZero();
      if (to_parent(i) || (adjust_ && empty)) continue;
      WriteReference(IsChildOf(links.attributes[i]), links.trace_id[i],
                     links.span_id[i], w);
    }
    w.EndArray();
  }

  static void WriteReference(bool child_of, const model::TraceId& trace_id,
                             model::SpanId span_id, JsonWriter& w) {
    w.BeginObject();
    w.Key("refType");
    w.String(child_of ? "CHILD_OF" : "FOLLOWS_FROM");
    w.Key("traceID");
    w.String(JaegerTraceIdText(trace_id));
    w.Key("spanID");
    w.String(span_id.ToHex());
    w.EndObject();
  }

  void WriteTags(RowIndex row, JsonWriter& w) {
    const model::SpanColumns& columns = batch_.spans();
    const auto text = [&w](std::string_view key, std::string_view value) {
      if (!value.empty()) WriteKeyValue(key, AttrValue::String(value), w);
    };
    w.BeginArray();
    text("otel.scope.name", batch_.String(batch_.ScopeOf(row).name));
    text("otel.scope.version", batch_.String(batch_.ScopeOf(row).version));
    WriteAttributes(columns.attributes[row], "", w);
    text("span.kind", KindText(columns.kind[row]));
    if (columns.status[row] == model::StatusCode::kOk) {
      text("otel.status_code", "OK");
    } else if (columns.status[row] == model::StatusCode::kError) {
      text("otel.status_code", "ERROR");
      WriteKeyValue("error", AttrValue::Bool(true), w);
    }
    text("otel.status_description", batch_.String(columns.status_message[row]));
    text("w3c.tracestate", batch_.String(columns.trace_state[row]));
    w.EndArray();
  }

  void WriteLogs(RowIndex row, JsonWriter& w) {
    const model::EventColumns& events = batch_.events();
    const model::AttrRange range = batch_.EventRange(row);
    w.BeginArray();
    for (uint32_t i = range.begin; i < range.end; ++i) {
      w.BeginObject();
      w.Key("timestamp");
      w.Uint(Micros(events.time[i]));
      w.Key("fields");
      w.BeginArray();
      const std::string_view name = batch_.String(events.name[i]);
      if (!name.empty() &&
          batch_.Find(events.attributes[i], "event") == nullptr) {
        WriteKeyValue("event", AttrValue::String(name), w);
      }
      WriteAttributes(events.attributes[i], "", w);
      w.EndArray();
      w.EndObject();
    }
    w.EndArray();
  }

  void WriteAttributes(model::AttrRange range, std::string_view without,
                       JsonWriter& w) {
    attributes_.clear();
    for (const model::Attr& attr : batch_.Attributes(range)) {
      if (batch_.Key(attr.key) != without) attributes_.push_back(&attr);
    }
    if (adjust_) {
      std::ranges::sort(attributes_, {}, [this](const model::Attr* attr) {
        return batch_.Key(attr->key);
      });
    }
    for (const model::Attr* attr : attributes_) {
      WriteKeyValue(batch_.Key(attr->key), batch_.Value(*attr), w);
    }
  }

  void WriteWarnings(RowIndex row, JsonWriter& w) {
    if (batch_.spans().end[row] >= batch_.spans().start[row]) {
      w.Null();
      return;
    }
    w.BeginArray();
    w.String("this span ends before it starts; its duration is shown as 0");
    w.EndArray();
  }

  // Number of the process, from 1. Equal service and tags share a number.
  uint32_t ProcessOf(RowIndex row) {
    uint32_t& number = process_of_resource_[batch_.ScopeOf(row).resource];
    if (number != 0) return number;
    std::string process = ProcessText(row);
    const auto known = process_numbers_.find(process);
    if (known != process_numbers_.end()) return number = known->second;
    number = static_cast<uint32_t>(processes_.size()) + 1;
    process_numbers_.emplace(process, number);
    processes_.push_back(std::move(process));
    return number;
  }

  std::string ProcessText(RowIndex row) {
    const model::AttrRange attributes = batch_.ResourceOf(row).attributes;
    std::string text;
    JsonWriter w(&text);
    w.BeginObject();
    w.Key("serviceName");
    w.String(attributes.size() == 0 ? "OTLPResourceNoServiceName"
                                    : batch_.ServiceName(row));
    w.Key("tags");
    w.BeginArray();
    WriteAttributes(attributes, kServiceName, w);
    w.EndArray();
    w.EndObject();
    return text;
  }

  const SpanBatch& batch_;
  const bool adjust_;
  const model::TraceId trace_id_;
  const std::string trace_id_text_;
  std::vector<JaegerSpan> spans_;
  std::vector<uint32_t> process_of_resource_;  // 0 = not met yet
  std::map<std::string, uint32_t> process_numbers_;
  std::vector<std::string> processes_;          // their JSON, by number - 1
  std::vector<const model::Attr*> attributes_;  // scratch of WriteAttributes
};

// The rows of each trace, traces in the order of their first rows.
std::vector<std::vector<RowIndex>> RowsByTrace(const SpanBatch& batch) {
  boost::unordered_flat_map<model::TraceId, size_t, model::TraceIdHash> places;
  std::vector<std::vector<RowIndex>> traces;
  for (RowIndex row = 0; row < batch.row_count(); ++row) {
    const auto [place, fresh] =
        places.emplace(batch.spans().trace_id[row], traces.size());
    if (fresh) traces.emplace_back();
    traces[place->second].push_back(row);
  }
  return traces;
}

}  // namespace

std::string JaegerTraceIdText(const model::TraceId& id) {
  return id.high == 0 ? model::SpanId{id.low}.ToHex() : id.ToHex();
}

void WriteJaegerTraces(const SpanBatch& batch, const JaegerJsonOptions& options,
                       JsonWriter* writer) {
  for (const std::vector<RowIndex>& rows : RowsByTrace(batch)) {
    TraceWriter(batch, rows, options.adjust).Write(*writer);
  }
}

}  // namespace khtrace::codec
