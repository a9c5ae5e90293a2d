// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/text.h"
#include "model/testing.h"

namespace khtrace::model {
namespace {

std::string Quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<uint8_t>(c) < 0x20 || c == '"' || c == '\\') {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string Describe(const AttrValue& value) {
  switch (value.type) {
    case AttrType::kEmpty:
      return "empty";
    case AttrType::kString:
      return Quote(value.bytes);
    case AttrType::kBool:
      return value.AsBool() ? "true" : "false";
    case AttrType::kInt:
      return fmt::format("int {}", value.AsInt());
    case AttrType::kDouble:
      // A NaN's sign and payload say nothing, and JSON cannot carry them.
      if (std::isnan(value.AsDouble())) return "double nan";
      return fmt::format("double {}", value.AsDouble());
    case AttrType::kBytes:
      return "bytes " + Base64Encode(value.bytes);
    case AttrType::kArray:
    case AttrType::kKvList:
      break;
  }
  const bool is_array = value.type == AttrType::kArray;
  std::string out = is_array ? "[" : "{";
  const bool ok =
      ForEachNested(value, [&](std::string_view key, const AttrValue& item) {
        if (!is_array) out += Quote(key) + ": ";
        out += Describe(item) + ", ";
        return true;
      });
  if (!ok) out += "MALFORMED";
  return out + (is_array ? "]" : "}");
}

void DescribeAttributes(const SpanBatch& batch, AttrRange range,
                        std::string_view owner, std::string* out) {
  std::vector<std::string> lines;
  for (const Attr& attr : batch.Attributes(range)) {
    lines.push_back(fmt::format("{}.attribute {} = {}\n", owner,
                                Quote(batch.Key(attr.key)),
                                Describe(batch.Value(attr))));
  }
  std::sort(lines.begin(), lines.end());
  for (const std::string& line : lines) *out += line;
}

void DescribeGroups(const SpanBatch& batch, RowIndex row, std::string* out) {
  const Scope& scope = batch.ScopeOf(row);
  *out += fmt::format(
      "scope {} version {} dropped {} schema {}\n",
      Quote(batch.String(scope.name)), Quote(batch.String(scope.version)),
      scope.dropped_attributes, Quote(batch.String(scope.schema_url)));
  DescribeAttributes(batch, scope.attributes, "scope", out);
  const Resource& resource = batch.ResourceOf(row);
  *out += fmt::format("resource dropped {} schema {} entities {}\n",
                      resource.dropped_attributes,
                      Quote(batch.String(resource.schema_url)),
                      Base64Encode(batch.String(resource.entity_refs)));
  DescribeAttributes(batch, resource.attributes, "resource", out);
}

void DescribeEvents(const SpanBatch& batch, RowIndex row, std::string* out) {
  const EventColumns& events = batch.events();
  const AttrRange range = batch.EventRange(row);
  for (uint32_t i = range.begin; i < range.end; ++i) {
    *out += fmt::format("event {} at {} dropped {}\n",
                        Quote(batch.String(events.name[i])), events.time[i].ns,
                        events.dropped_attributes[i]);
    DescribeAttributes(batch, events.attributes[i], "event", out);
  }
}

void DescribeLinks(const SpanBatch& batch, RowIndex row, std::string* out) {
  const LinkColumns& links = batch.links();
  const AttrRange range = batch.LinkRange(row);
  for (uint32_t i = range.begin; i < range.end; ++i) {
    *out += fmt::format("link {} {} state {} flags {:#x} dropped {}\n",
                        links.trace_id[i].ToHex(), links.span_id[i].ToHex(),
                        Quote(batch.String(links.trace_state[i])),
                        links.flags[i], links.dropped_attributes[i]);
    DescribeAttributes(batch, links.attributes[i], "link", out);
  }
}

}  // namespace

std::string DescribeSpan(const SpanBatch& batch, RowIndex row) {
  const SpanColumns& spans = batch.spans();
  std::string out = fmt::format(
      "span {} {} parent {}\nname {} kind {} status {} {}\n"
      "time {} to {} flags {:#x} state {}\n"
      "dropped attributes {} events {} links {}\n",
      spans.trace_id[row].ToHex(), spans.span_id[row].ToHex(),
      spans.parent_span_id[row].ToHex(), Quote(batch.String(spans.name[row])),
      static_cast<int>(spans.kind[row]), static_cast<int>(spans.status[row]),
      Quote(batch.String(spans.status_message[row])), spans.start[row].ns,
      spans.end[row].ns, spans.flags[row],
      Quote(batch.String(spans.trace_state[row])),
      spans.dropped_attributes[row], spans.dropped_events[row],
      spans.dropped_links[row]);
  DescribeAttributes(batch, spans.attributes[row], "span", &out);
  DescribeEvents(batch, row, &out);
  DescribeLinks(batch, row, &out);
  DescribeGroups(batch, row, &out);
  return out;
}

std::string DescribeBatch(const SpanBatch& batch) {
  std::vector<std::string> spans;
  for (RowIndex row = 0; row < batch.row_count(); ++row) {
    spans.push_back(DescribeSpan(batch, row));
  }
  std::sort(spans.begin(), spans.end());
  return fmt::format("{}", fmt::join(spans, "\n"));
}

}  // namespace khtrace::model
