// SPDX-License-Identifier: Apache-2.0
#include "app/waterfall.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <vector>

#include "app/text_format.h"
#include "app/waterfall_rows.h"
#include "query/trace_summary.h"
#include "query/trace_tree.h"

namespace khtrace::app {
namespace {

using model::AttrRange;
using model::RowIndex;
using model::SpanBatch;
using query::TraceTree;

constexpr size_t kDurationWidth = 8;
constexpr size_t kMinNameWidth = 24;

// A bar of `cells` eighths-precise cells. The left edge of a block can only be
// drawn at a full or half cell, the right edge at any eighth.
struct Bar {
  size_t indent = 0;
  std::string text;
  size_t cells = 0;
};

Bar MakeBar(const Terminal& terminal, double from, double to, size_t width) {
  constexpr std::array<std::string_view, 8> kEighths{"▏", "▏", "▎", "▍",
                                                     "▌", "▋", "▊", "▉"};
  const double scale = static_cast<double>(width) * 8;
  const auto begin = std::min(static_cast<size_t>(from * scale), width * 8 - 1);
  const auto end =
      std::clamp(static_cast<size_t>(to * scale + 0.5), begin + 1, width * 8);
  Bar bar{
      .indent = begin / 8, .text = {}, .cells = (end - 1) / 8 - begin / 8 + 1};
  if (!terminal.utf8) {
    bar.text.assign(bar.cells, '=');
    return bar;
  }
  const bool second_half = begin % 8 >= 4;
  if (bar.cells == 1) {
    bar.text = second_half        ? (end - begin > 2 ? "▐" : "▕")
               : end - begin == 8 ? "█"
                                  : kEighths[end - begin];
    return bar;
  }
  bar.text = second_half ? "▐" : "█";
  for (size_t i = 2; i < bar.cells; ++i) bar.text += "█";
  bar.text += end % 8 == 0 ? "█" : kEighths[end % 8];
  return bar;
}

// "shop.cart.v1.CartService/GetCart" is "CartService/GetCart": the package
// would push the method out of the column. Other names stay.
std::string_view WithoutPackage(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == name.npos || slash == 0 || name.find(' ') != name.npos) {
    return name;
  }
  const size_t dot = name.rfind('.', slash);
  return dot == name.npos ? name : name.substr(dot + 1);
}

class Renderer {
 public:
  Renderer(const SpanBatch& trace, const WaterfallOptions& options)
      : trace_(trace),
        options_(options),
        terminal_(options.terminal),
        tree_(trace),
        summary_(query::Summarize(trace)),
        plan_(PlanWaterfall(trace, tree_, !options.all,
                            options.all ? 0 : options.max_rows)) {
    total_ns_ = summary_.end.ns - summary_.start.ns;
    for (const WaterfallRow& row : plan_.rows) {
      const RowIndex of =
          row.row == WaterfallRow::kFolded ? row.sample : row.row;
      services_.try_emplace(trace.ServiceName(of), services_.size());
    }
    ChooseColumns();
  }

  std::string Render() {
    Header();
    Notes();
    Axis();
    for (const WaterfallRow& row : plan_.rows) {
      if (row.row == WaterfallRow::kFolded) {
        FoldedRow(row);
      } else {
        SpanRow(row);
      }
    }
    Footer();
    return std::move(out_);
  }

 private:
  std::string_view Pick(std::string_view utf8, std::string_view ascii) const {
    return terminal_.utf8 ? utf8 : ascii;
  }
  void Line(std::string_view text) {
    const size_t last = text.find_last_not_of(' ');
    out_.append(text.substr(0, last == text.npos ? 0 : last + 1)) += '\n';
  }
  std::string Clean(std::string_view text) const {
    return Printable(terminal_, text);
  }
  Style StyleOf(RowIndex row) const {
    return ServiceStyle(services_.at(trace_.ServiceName(row)));
  }
  bool IsError(RowIndex row) const {
    return trace_.spans().status[row] == model::StatusCode::kError;
  }

  // The tree's lines in front of a span, or in front of what is written
  // `below` it.
  std::string Lines(const WaterfallRow& row, bool below) const {
    std::string text(row.deeper ? Pick("…", "~") : "");
    for (size_t i = 0; i < row.branches.size(); ++i) {
      Branch branch = row.branches[i];
      if (below && branch == Branch::kTee) branch = Branch::kLine;
      if (below && branch == Branch::kCorner) branch = Branch::kBlank;
      switch (branch) {
        case Branch::kBlank:
          text += "  ";
          break;
        case Branch::kLine:
          text += Pick("│ ", "| ");
          break;
        case Branch::kTee:
          text += Pick("├╴", "|-");
          break;
        case Branch::kCorner:
          text += Pick("└╴", "`-");
          break;
      }
    }
    if (below) text += row.has_children ? Pick("│ ", "| ") : "  ";
    return text;
  }

  bool NamesService(const WaterfallRow& row) const {
    const RowIndex parent = tree_.parent(row.row);
    return parent == TraceTree::kNoRow ||
           trace_.ServiceName(parent) != trace_.ServiceName(row.row);
  }
  std::string ServiceText(RowIndex row) const {
    const std::string_view name = trace_.ServiceName(row);
    return name.empty() ? "(no service)" : Clean(name);
  }
  std::string NameText(RowIndex row) const {
    const std::string_view name = trace_.String(trace_.spans().name[row]);
    return name.empty() ? "(no name)" : Clean(WithoutPackage(name));
  }

  size_t NameCells(const WaterfallRow& row) const {
    size_t cells = DisplayWidth(Lines(row, false));
    if (row.row == WaterfallRow::kFolded) return cells + kMinNameWidth;
    if (IsError(row.row)) cells += 2;
    if (NamesService(row)) cells += DisplayWidth(ServiceText(row.row)) + 2;
    return cells + DisplayWidth(NameText(row.row));
  }

  void ChooseColumns() {
    size_t longest = kMinNameWidth;
    for (const WaterfallRow& row : plan_.rows) {
      longest = std::max(longest, NameCells(row));
    }
    name_width_ = std::min(longest, terminal_.width * 52 / 100);
    bar_width_ = terminal_.width - name_width_ - kDurationWidth - 3;
  }

  void Header() {
    Line(Paint(terminal_, Style::kDim, "Trace ") +
         Paint(terminal_, Style::kBold, summary_.trace_id.ToHex()));
    const std::string service = summary_.root_service.empty()
                                    ? "(no service)"
                                    : Clean(summary_.root_service);
    Line(Paint(terminal_, Style::kBold,
               Truncate(terminal_, service + ": " + Clean(summary_.root_name),
                        terminal_.width)));
    const std::string_view dot = Pick(" · ", " | ");
    std::string facts =
        fmt::format("{} UTC{}{}{}{}{}{}", TimeText(summary_.start), dot,
                    DurationText(terminal_, total_ns_), dot,
                    Plural(summary_.span_count, "span"), dot,
                    Plural(summary_.services.size(), "service"));
    if (summary_.error_count > 0) {
      facts.append(dot).append(
          Paint(terminal_, Style::kRed, Plural(summary_.error_count, "error")));
    }
    Line(facts);
    Line("");
  }

  // What a reader should know before trusting the picture.
  void Notes() {
    uint32_t early = 0;
    for (RowIndex row = 0; row < trace_.row_count(); ++row) {
      const RowIndex parent = tree_.parent(row);
      if (parent != TraceTree::kNoRow &&
          trace_.spans().start[row] < trace_.spans().start[parent]) {
        ++early;
      }
    }
    std::vector<std::string> notes;
    if (tree_.orphan_count() > 0) {
      notes.push_back(fmt::format(
          "{} without the parent named: not sent, not sampled, or still on "
          "its way",
          Plural(tree_.orphan_count(), "span")));
    }
    if (tree_.roots().size() > 1) {
      notes.push_back(Plural(tree_.roots().size(), "root"));
    }
    if (early > 0) {
      notes.push_back(fmt::format(
          "{} before the parent: clocks of hosts disagree",
          early == 1 ? "1 span starts" : CountText(early) + " spans start"));
    }
    for (const std::string& note : notes) {
      Line(Paint(terminal_, Style::kYellow,
                 Truncate(terminal_, "! " + note, terminal_.width)));
    }
    if (!notes.empty()) Line("");
  }

  size_t TickCount() const { return bar_width_ >= 44 ? 4 : 2; }

  void Axis() {
    const size_t ticks = TickCount();
    const std::string last = DurationText(terminal_, total_ns_);
    const size_t last_at =
        bar_width_ - std::min(DisplayWidth(last), bar_width_);
    size_t used = 0;
    std::string line;
    for (size_t i = 0; i < ticks; ++i) {
      const std::string text = DurationText(terminal_, total_ns_ * i / ticks);
      const size_t at = bar_width_ * i / ticks;
      const size_t cells = DisplayWidth(text);
      if (at < used || at + cells >= last_at) continue;
      line.append(at - used, ' ').append(text);
      used = at + cells;
    }
    line.append(last_at - used, ' ').append(last);
    Line(FitLeft(terminal_, "", name_width_) + " " +
         FitRight(terminal_, "", kDurationWidth) + "  " +
         Paint(terminal_, Style::kDim, line));
  }

  std::string BarCells(RowIndex row) const {
    const auto since = [&](UnixNanos time) {
      const uint64_t at =
          std::clamp(time.ns, summary_.start.ns, summary_.end.ns) -
          summary_.start.ns;
      return total_ns_ == 0
                 ? 0.0
                 : static_cast<double>(at) / static_cast<double>(total_ns_);
    };
    const double from = since(trace_.spans().start[row]);
    const double to = std::max(from, since(trace_.spans().end[row]));
    const Bar bar = MakeBar(terminal_, from, to, bar_width_);
    const Style style = IsError(row) ? Style::kRed : StyleOf(row);
    return Grid(0, bar.indent) + Paint(terminal_, style, bar.text) +
           Grid(bar.indent + bar.cells, bar_width_);
  }

  // Empty cells [from, to) of the bar column, with the axis' ticks.
  std::string Grid(size_t from, size_t to) const {
    std::string text;
    for (size_t cell = from; cell < to; ++cell) {
      bool tick = false;
      for (size_t i = 0; i < TickCount(); ++i) {
        tick |= cell == bar_width_ * i / TickCount();
      }
      text += tick && terminal_.utf8 ? "┊" : " ";
    }
    return Paint(terminal_, Style::kDim, text);
  }

  void SpanRow(const WaterfallRow& row) {
    const std::string lines = Lines(row, false);
    std::string left = Paint(terminal_, Style::kDim, lines);
    size_t room = name_width_ - std::min(name_width_, DisplayWidth(lines));
    const auto put = [&](Style style, std::string_view text) {
      const std::string cut = Truncate(terminal_, text, room);
      room -= DisplayWidth(cut);
      left += Paint(terminal_, style, cut);
    };
    const bool error = IsError(row.row);
    if (error) put(Style::kRed, Pick("✗ ", "x "));
    if (NamesService(row)) {
      put(StyleOf(row.row), ServiceText(row.row));
      put(Style::kDim, ": ");
    }
    put(error ? Style::kRed : Style::kPlain, NameText(row.row));
    left.append(room, ' ');
    Line(left + " " +
         FitRight(terminal_,
                  DurationText(terminal_, trace_.DurationNanos(row.row)),
                  kDurationWidth) +
         "  " + BarCells(row.row));
    if (error) Exceptions(row);
    if (options_.attributes) Attributes(row);
  }

  void Below(const WaterfallRow& row, Style style, std::string_view text) {
    const std::string lines = Lines(row, true);
    const size_t room =
        terminal_.width - std::min(terminal_.width, DisplayWidth(lines));
    Line(Paint(terminal_, Style::kDim, lines) +
         Paint(terminal_, style, Truncate(terminal_, text, room)));
  }

  std::string EventText(AttrRange attributes, std::string_view key) const {
    const model::Attr* attr = trace_.Find(attributes, key);
    return attr == nullptr ? std::string()
                           : Clean(model::ToDisplayString(trace_.Value(*attr)));
  }

  void Exceptions(const WaterfallRow& row) {
    const AttrRange events = trace_.EventRange(row.row);
    bool any = false;
    for (uint32_t i = events.begin; i < events.end; ++i) {
      if (trace_.String(trace_.events().name[i]) != "exception") continue;
      const AttrRange attributes = trace_.events().attributes[i];
      const std::string type = EventText(attributes, "exception.type");
      const std::string message = EventText(attributes, "exception.message");
      const bool both = !type.empty() && !message.empty();
      Below(row, Style::kRed, type + (both ? ": " : "") + message);
      any = true;
    }
    const std::string_view status =
        trace_.String(trace_.spans().status_message[row.row]);
    if (!any && !status.empty()) Below(row, Style::kRed, Clean(status));
  }

  void Attributes(const WaterfallRow& row) {
    for (const model::Attr& attr :
         trace_.Attributes(trace_.spans().attributes[row.row])) {
      Below(row, Style::kDim,
            Clean(trace_.Key(attr.key)) + " = " +
                Clean(model::ToDisplayString(trace_.Value(attr))));
    }
  }

  void FoldedRow(const WaterfallRow& row) {
    std::string text = fmt::format(
        "{} {} more `{}` {}{}{}", Pick("…", "..."),
        CountText(row.folded_siblings), NameText(row.sample),
        DurationText(terminal_, row.min_duration_ns), Pick("–", " to "),
        DurationText(terminal_, row.max_duration_ns));
    if (row.folded_spans > row.folded_siblings) {
      text += fmt::format(" ({} in all)", Plural(row.folded_spans, "span"));
    }
    const std::string lines = Lines(row, false);
    Line(Paint(terminal_, Style::kDim,
               lines + Truncate(terminal_, text,
                                terminal_.width - DisplayWidth(lines))));
  }

  void Footer() {
    if (plan_.hidden_spans > 0) {
      Line("");
      Line(Paint(terminal_, Style::kYellow,
                 fmt::format("{} more {} not shown: --all shows every span",
                             CountText(plan_.hidden_spans),
                             plan_.hidden_spans == 1 ? "span" : "spans")));
    } else if (plan_.folded_spans > 0) {
      Line("");
      Line(Paint(terminal_, Style::kDim,
                 fmt::format("{} folded: --all shows every span",
                             Plural(plan_.folded_spans, "span"))));
    }
  }

  const SpanBatch& trace_;
  const WaterfallOptions& options_;
  const Terminal& terminal_;
  const TraceTree tree_;
  const query::TraceSummary summary_;
  const WaterfallPlan plan_;
  uint64_t total_ns_ = 0;
  std::map<std::string_view, size_t> services_;  // in order of appearance
  size_t name_width_ = 0;
  size_t bar_width_ = 0;
  std::string out_;
};

}  // namespace

std::string RenderWaterfall(const SpanBatch& trace,
                            const WaterfallOptions& options) {
  return Renderer(trace, options).Render();
}

}  // namespace khtrace::app
