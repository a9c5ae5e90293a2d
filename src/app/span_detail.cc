// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "app/text_format.h"
#include "app/waterfall.h"

namespace khtrace::app {
namespace {

using model::AttrRange;
using model::RowIndex;
using model::SpanBatch;

std::string_view KindName(model::SpanKind kind) {
  constexpr std::array<std::string_view, 6> kNames{
      "unspecified", "internal", "server", "client", "producer", "consumer"};
  const auto index = static_cast<size_t>(kind);
  return index < kNames.size() ? kNames[index] : "unknown";
}

std::string_view StatusName(model::StatusCode status) {
  switch (status) {
    case model::StatusCode::kUnset:
      return "unset";
    case model::StatusCode::kOk:
      return "ok";
    case model::StatusCode::kError:
      return "error";
  }
  return "unknown";
}

class Detail {
 public:
  Detail(const SpanBatch& trace, const Terminal& terminal)
      : trace_(trace), terminal_(terminal) {}

  void Title(std::string_view text) {
    out_ += '\n' + Paint(terminal_, Style::kBold, text) + '\n';
  }
  void Field(std::string_view name, std::string_view value,
             size_t name_width = 12) {
    out_ += "  " +
            Paint(terminal_, Style::kDim,
                  FitLeft(terminal_, Printable(terminal_, name), name_width)) +
            "  " + Printable(terminal_, value) + '\n';
  }
  void Attributes(AttrRange range, int indent = 0) {
    size_t width = 12;
    for (const model::Attr& attr : trace_.Attributes(range)) {
      width = std::max(
          width, DisplayWidth(Printable(terminal_, trace_.Key(attr.key))));
    }
    width = std::min<size_t>(width, 40);
    for (const model::Attr& attr : trace_.Attributes(range)) {
      const std::string value = model::ToDisplayString(trace_.Value(attr));
      const std::string_view key = trace_.Key(attr.key);
      out_.append(static_cast<size_t>(indent), ' ');
      if (value.find('\n') == std::string::npos) {
        Field(key, value, width);
      } else {
        Block(key, value, indent);
      }
    }
  }
  // A value of several lines (a stack trace) keeps them.
  void Block(std::string_view key, std::string_view value, int indent) {
    out_ +=
        "  " + Paint(terminal_, Style::kDim, Printable(terminal_, key)) + '\n';
    while (!value.empty()) {
      const size_t end = std::min(value.find('\n'), value.size());
      std::string line(value.substr(0, end));
      std::ranges::replace(line, '\t', ' ');
      out_.append(static_cast<size_t>(indent) + 4, ' ')
          .append(Printable(terminal_, line))
          .append("\n");
      value.remove_prefix(std::min(end + 1, value.size()));
    }
  }
  std::string Take() { return std::move(out_); }

 private:
  const SpanBatch& trace_;
  const Terminal& terminal_;
  std::string out_;
};

void Facts(const SpanBatch& trace, RowIndex row, const Terminal& terminal,
           Detail& detail) {
  const model::SpanColumns& spans = trace.spans();
  detail.Field("trace", spans.trace_id[row].ToHex());
  detail.Field("span", spans.span_id[row].ToHex());
  detail.Field("parent", spans.parent_span_id[row].IsZero()
                             ? "none"
                             : spans.parent_span_id[row].ToHex());
  detail.Field("service", trace.ServiceName(row));
  detail.Field("name", trace.String(spans.name[row]));
  detail.Field("kind", KindName(spans.kind[row]));
  detail.Field("start", TimeText(spans.start[row]) + " UTC");
  detail.Field("duration", DurationText(terminal, trace.DurationNanos(row)));
  const std::string_view message = trace.String(spans.status_message[row]);
  detail.Field("status", fmt::format("{}{}{}", StatusName(spans.status[row]),
                                     message.empty() ? "" : ": ", message));
  const model::Scope& scope = trace.ScopeOf(row);
  const std::string_view version = trace.String(scope.version);
  detail.Field("scope", fmt::format("{}{}{}", trace.String(scope.name),
                                    version.empty() ? "" : " ", version));
  const std::string_view state = trace.String(spans.trace_state[row]);
  if (!state.empty()) detail.Field("trace state", state);
}

}  // namespace

std::string RenderSpanDetail(const SpanBatch& trace, RowIndex row,
                             const Terminal& terminal) {
  Detail detail(trace, terminal);
  Facts(trace, row, terminal, detail);
  if (trace.spans().attributes[row].size() > 0) {
    detail.Title("Attributes");
    detail.Attributes(trace.spans().attributes[row]);
  }
  detail.Title("Resource");
  detail.Attributes(trace.ResourceOf(row).attributes);
  const AttrRange events = trace.EventRange(row);
  const uint64_t start = trace.spans().start[row].ns;
  for (uint32_t i = events.begin; i < events.end; ++i) {
    const uint64_t at = trace.events().time[i].ns;
    detail.Title(
        fmt::format("Event {} at {}",
                    Printable(terminal, trace.String(trace.events().name[i])),
                    DurationText(terminal, at > start ? at - start : 0)));
    detail.Attributes(trace.events().attributes[i]);
  }
  const AttrRange links = trace.LinkRange(row);
  for (uint32_t i = links.begin; i < links.end; ++i) {
    detail.Title("Link");
    detail.Field("trace", trace.links().trace_id[i].ToHex());
    detail.Field("span", trace.links().span_id[i].ToHex());
    detail.Attributes(trace.links().attributes[i]);
  }
  return detail.Take();
}

}  // namespace khtrace::app
