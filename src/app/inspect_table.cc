// SPDX-License-Identifier: Apache-2.0
#include "app/inspect_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "app/text_format.h"
#include "base/text.h"

namespace khtrace::app {
namespace {

using storage::columnar::ColumnInfo;
using storage::columnar::DirectoryReport;
using storage::columnar::PartReport;
using storage::columnar::TenantReport;
using storage::columnar::VerifyReport;
using storage::columnar::WalDamage;

constexpr size_t kShownParts = 20;
constexpr size_t kShownColumns = 25;

std::string FileName(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

std::string BytesPerSpan(uint64_t bytes, uint64_t spans) {
  if (spans == 0) return "-";
  return fmt::format("{:.1f}",
                     static_cast<double>(bytes) / static_cast<double>(spans));
}

class DirectoryTable {
 public:
  explicit DirectoryTable(const InspectOptions& options)
      : options_(options), terminal_(options.terminal) {}

  std::string Render(const DirectoryReport& report) {
    if (report.tenants.empty()) return "no spans are stored here yet\n";
    for (const TenantReport& tenant : report.tenants) {
      if (!out_.empty()) out_ += '\n';
      Tenant(tenant);
    }
    return std::move(out_);
  }

 private:
  void Heading(std::string_view text) {
    out_ += Paint(terminal_, Style::kDim, text) + '\n';
  }

  void Tenant(const TenantReport& tenant) {
    out_ += fmt::format(
        "tenant {}\n"
        "  parts  {:>14}  {:>10}  {:>6} bytes a span, {} files\n"
        "  log    {:>14}  {:>10}\n",
        Paint(terminal_, Style::kBold, Printable(terminal_, tenant.tenant)),
        Plural(tenant.part_spans, "span"), FormatByteSize(tenant.part_bytes),
        BytesPerSpan(tenant.part_bytes, tenant.part_spans), tenant.parts.size(),
        Plural(tenant.wal_spans, "span"), FormatByteSize(tenant.wal_bytes));
    Leftovers(tenant.leftovers);
    if (tenant.parts.empty()) return;
    Parts(tenant.parts);
    Columns(tenant);
  }

  void Leftovers(const std::vector<std::string>& names) {
    if (names.empty()) return;
    out_ +=
        fmt::format("  {} half-written or replaced, deleted by the next start:",
                    Plural(names.size(), "file"));
    for (const std::string& name : names) {
      out_ += ' ' + Printable(terminal_, name);
    }
    out_ += '\n';
  }

  void Parts(const std::vector<PartReport>& parts) {
    out_ += '\n';
    Heading(fmt::format("  {:<24}  {:>5}  {:>12}  {:>10}  {:>10}  {:>6}  {}",
                        "Part", "Level", "Spans", "Traces", "Size", "B/span",
                        "From (UTC)"));
    const size_t shown =
        options_.all ? parts.size() : std::min(parts.size(), kShownParts);
    for (size_t i = 0; i < shown; ++i) {
      const PartReport& part = parts[i];
      const std::string name =
          FitLeft(terminal_, Printable(terminal_, FileName(part.path)), 24);
      if (!part.error.empty()) {
        out_ +=
            "  " + name + "  " +
            Paint(terminal_, Style::kRed, Printable(terminal_, part.error)) +
            '\n';
        continue;
      }
      out_ +=
          fmt::format("  {}  {:>5}  {:>12}  {:>10}  {:>10}  {:>6}  {}\n", name,
                      part.info.meta.level, CountText(part.info.span_count),
                      CountText(part.info.trace_count),
                      FormatByteSize(part.info.file_bytes),
                      BytesPerSpan(part.info.file_bytes, part.info.span_count),
                      TimeText(part.info.min_start));
    }
    More(parts.size() - shown, "part");
  }

  void More(size_t hidden, std::string_view noun) {
    if (hidden == 0) return;
    Heading(fmt::format("  and {}: --all shows them", Plural(hidden, noun)));
  }

  // The same column of all parts is one line, the largest first.
  void Columns(const TenantReport& tenant) {
    std::map<std::tuple<std::string, std::string, std::string>, ColumnInfo>
        by_name;
    for (const PartReport& part : tenant.parts) {
      for (const ColumnInfo& column : part.columns) {
        ColumnInfo& sum =
            by_name
                .try_emplace({column.table, column.name, column.type},
                             ColumnInfo{.table = column.table,
                                        .name = column.name,
                                        .type = column.type,
                                        .encoding = column.encoding})
                .first->second;
        sum.bytes += column.bytes;
        sum.values += column.values;
        if (sum.encoding != column.encoding) sum.encoding = "several";
      }
    }
    std::vector<ColumnInfo> columns;
    for (auto& [name, column] : by_name) columns.push_back(std::move(column));
    std::ranges::stable_sort(columns, std::greater(), &ColumnInfo::bytes);
    out_ += '\n';
    Heading(fmt::format("  {:<10}  {:<34}  {:<8}  {:>10}  {:>6}  {:>12}  {}",
                        "Table", "Column", "Type", "Size", "B/span", "Values",
                        "Encoding"));
    const size_t shown =
        options_.all ? columns.size() : std::min(columns.size(), kShownColumns);
    for (size_t i = 0; i < shown; ++i) {
      const ColumnInfo& column = columns[i];
      out_ += fmt::format(
          "  {:<10}  {}  {:<8}  {:>10}  {:>6}  {:>12}  {}\n", column.table,
          FitLeft(terminal_, Printable(terminal_, column.name), 34),
          column.type, FormatByteSize(column.bytes),
          BytesPerSpan(column.bytes, tenant.part_spans),
          CountText(column.values), column.encoding);
    }
    More(columns.size() - shown, "column");
  }

  const InspectOptions& options_;
  const Terminal& terminal_;
  std::string out_;
};

}  // namespace

std::string RenderDirectory(const DirectoryReport& report,
                            const InspectOptions& options) {
  return DirectoryTable(options).Render(report);
}

std::string RenderVerification(const VerifyReport& report,
                               const Terminal& terminal) {
  std::string out = fmt::format(
      "checked {} with {} and {} of the log\n", Plural(report.parts, "part"),
      Plural(report.part_spans, "span"), Plural(report.wal_frames, "frame"));
  if (report.torn_bytes > 0) {
    out += fmt::format(
        "{} at the end of the log are no whole frame: a write that was cut off "
        "before it was acknowledged, unless the file was shortened\n",
        FormatByteSize(report.torn_bytes));
  }
  for (const WalDamage& damage : report.damage) {
    out += Paint(terminal, Style::kRed, "damaged") +
           fmt::format("  {}", Printable(terminal, damage.file));
    if (damage.offset > 0) out += fmt::format(" at byte {}", damage.offset);
    out += ": " + Printable(terminal, damage.what) + '\n';
  }
  out += report.damage.empty()
             ? Paint(terminal, Style::kGreen, "every checksum fits") + "\n"
             : Paint(terminal, Style::kRed,
                     Plural(report.damage.size(), "damaged place")) +
                   "; everything else is readable\n";
  return out;
}

}  // namespace khtrace::app
