// SPDX-License-Identifier: Apache-2.0
#include "aggregate/testing.h"

#include <fmt/format.h>

#include <set>

namespace khtrace::aggregate {
namespace {

class Describer {
 public:
  explicit Describer(const Partial& partial) : partial_(partial) {}

  void Add(TextId id) { text += fmt::format(" '{}'", partial_.Text(id)); }
  void Add(const LatencyHistogram& histogram) {
    text += fmt::format(" [{}:", histogram.sum());
    for (const auto& bin : histogram.bins()) {
      text += fmt::format(" {}x{}", uint64_t{bin.index}, uint64_t{bin.count});
    }
    text += "]";
  }
  void Add(const Earliest& e) {
    text += fmt::format(" {}@{}", e.trace_id.ToHex(), e.start.ns);
  }
  void Add(const Slowest& s) {
    text += fmt::format(" {}:{}", s.trace_id.ToHex(), s.duration);
  }
  void Add(const Sampled& s) {
    text += fmt::format(" ~{}:{}", s.trace_id.ToHex(), s.duration);
  }
  void Add(const Latest& l) { text += fmt::format(" ..{}", l.start.ns); }
  template <typename T>
  void Add(T value) {
    text += fmt::format(" {}", static_cast<uint64_t>(value));
  }

  std::string text;

 private:
  const Partial& partial_;
};

}  // namespace

std::string DescribePartial(const Partial& partial) {
  std::string all;
  ForEachTable(partial, [&](Kind kind, const auto& table) {
    std::set<std::string> lines;
    for (const auto& [key, cell] : table) {
      Describer row(partial);
      const auto add = [&](const auto& field) { row.Add(field); };
      key.Visit(add, key);
      row.text += " =";
      cell.Visit(add, cell);
      lines.insert(std::move(row.text));
    }
    for (const std::string& line : lines) {
      all += fmt::format("{}{}\n", static_cast<uint32_t>(kind), line);
    }
  });
  return all;
}

}  // namespace khtrace::aggregate
