// SPDX-License-Identifier: Apache-2.0
#include "analysis/explain_structure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "aggregate/span_tree.h"
#include "analysis/two_samples.h"

namespace khtrace::analysis {
namespace {

using Kind = StructureKind;
using Name = std::pair<std::string_view, std::string_view>;

// Fewer spans than these say nothing.
constexpr size_t kLeastSupport = 5;
constexpr double kLeastShareEffect = 0.05;
// Below this Cliff's delta is called negligible: Romano et al., Annual meeting
// of the Florida Association of Institutional Research (2006).
constexpr double kLeastRankEffect = 0.147;
constexpr double kMostQ = 0.01;

// What spans of one operation have below them of another.
struct Calls {
  std::vector<double> counts;  // of each span that has some
  std::vector<double> own;     // nanoseconds a call, likewise
  uint64_t depth = 0;          // of the uppermost, added up
};

// One side.
struct Side {
  std::map<Name, uint64_t> spans;  // by operation
  // By operation, what is below it, and whether it is the span itself.
  std::map<std::tuple<Name, Name, bool>, Calls> calls;
};

class SideBuilder {
 public:
  explicit SideBuilder(const TraceSample& sample)
      : sample_(sample), here_(sample.operations.size()) {}

  Side Build() {
    for (const TraceSample::Trace& trace : sample_.traces) {
      spans_ = sample_.SpansOf(trace);
      Link();
      for (uint32_t i = 0; i < spans_.size(); ++i) {
        if (spans_[i].matched) AddSpan(i);
      }
    }
    return std::move(side_);
  }

 private:
  struct Here {
    uint32_t count = 0;
    uint32_t depth = 0;
    double own = 0;
  };
  struct Visit {
    uint32_t span = 0;
    uint32_t depth = 0;
  };

  Name NameOf(uint32_t operation) const {
    const TraceSample::Operation& names = sample_.operations[operation];
    return {names.service, names.name};
  }

  void Link() {
    parents_.clear();
    starts_.clear();
    ends_.clear();
    for (const TraceSample::Span& span : spans_) {
      parents_.push_back(span.parent);
      starts_.push_back(span.start);
      ends_.push_back(span.end);
    }
    tree_.SetParents(parents_);
    tree_.ChildTimes(starts_, ends_, &child_times_);
  }

  double OwnTime(uint32_t i) const {
    return static_cast<double>(ends_[i] - starts_[i] - child_times_[i]);
  }

  void AddSpan(uint32_t span) {
    const Name parent = NameOf(spans_[span].operation);
    ++side_.spans[parent];
    Calls& itself = side_.calls[{parent, parent, true}];
    itself.counts.push_back(1);
    itself.own.push_back(OwnTime(span));
    touched_.clear();
    todo_.assign(1, {span, 0});
    while (!todo_.empty()) {
      const Visit visit = todo_.back();
      todo_.pop_back();
      for (const uint32_t child : tree_.children(visit.span)) {
        todo_.push_back({child, visit.depth + 1});
      }
      if (visit.span == span) continue;
      const uint32_t operation = spans_[visit.span].operation;
      Here& here = here_[operation];
      if (here.count++ == 0) touched_.push_back(operation);
      if (here.depth == 0 || visit.depth < here.depth) {
        here.depth = visit.depth;
      }
      here.own += OwnTime(visit.span);
    }
    for (const uint32_t operation : touched_) {
      const Here here = std::exchange(here_[operation], {});
      Calls& calls = side_.calls[{parent, NameOf(operation), false}];
      calls.counts.push_back(here.count);
      calls.own.push_back(here.own / here.count);
      calls.depth += here.depth;
    }
  }

  const TraceSample& sample_;
  Side side_;
  std::vector<Here> here_;  // by operation, of one span
  std::vector<uint32_t> touched_;
  std::vector<Visit> todo_;
  std::span<const TraceSample::Span> spans_;
  aggregate::SpanTree tree_;
  std::vector<uint32_t> parents_;
  std::vector<uint64_t> starts_;
  std::vector<uint64_t> ends_;
  std::vector<uint64_t> child_times_;
};

double MeanOf(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// A comparison that was made; q_value is its p-value until they are corrected.
struct Made {
  StructuralDifference difference;
  double depth = 0;
};

class Comparer {
 public:
  Comparer(const Side& selected, const Side& others)
      : selected_(selected), others_(others) {}

  std::vector<Made> Compare() {
    std::map<std::tuple<Name, Name, bool>, std::pair<Calls, Calls>> both;
    for (const auto& [key, calls] : selected_.calls) both[key].first = calls;
    for (const auto& [key, calls] : others_.calls) both[key].second = calls;
    for (const auto& [key, calls] : both) {
      const auto& [parent, name, itself] = key;
      if (SpansOf(selected_, parent) < kLeastSupport ||
          SpansOf(others_, parent) < kLeastSupport) {
        continue;
      }
      CompareCalls(Describe(parent, name, itself, calls), calls);
    }
    return std::move(made_);
  }

 private:
  static uint64_t SpansOf(const Side& side, const Name& name) {
    const auto at = side.spans.find(name);
    return at == side.spans.end() ? 0 : at->second;
  }

  StructuralDifference Describe(const Name& parent, const Name& name,
                                bool itself,
                                const std::pair<Calls, Calls>& calls) const {
    StructuralDifference d;
    d.parent_service = parent.first;
    d.parent_operation = parent.second;
    d.service = name.first;
    d.operation = name.second;
    d.itself = itself;
    d.selected_spans = SpansOf(selected_, parent);
    d.other_spans = SpansOf(others_, parent);
    d.selected = calls.first.counts.size();
    d.others = calls.second.counts.size();
    d.selected_calls = MeanOf(calls.first.counts);
    d.other_calls = MeanOf(calls.second.counts);
    d.selected_own_nanos = MedianOf(calls.first.own);
    d.other_own_nanos = MedianOf(calls.second.own);
    return d;
  }

  void CompareCalls(const StructuralDifference& described,
                    const std::pair<Calls, Calls>& calls) {
    const auto& [a, b] = calls;
    const uint64_t having = std::max(described.selected, described.others);
    if (having < kLeastSupport) return;
    const double depth =
        static_cast<double>(a.depth + b.depth) /
        static_cast<double>(described.selected + described.others);
    if (!described.itself) {
      Made& made = made_.emplace_back(Made{described, depth});
      StructuralDifference& d = made.difference;
      d.effect =
          static_cast<double>(d.selected) /
              static_cast<double>(d.selected_spans) -
          static_cast<double>(d.others) / static_cast<double>(d.other_spans);
      d.kind = d.effect < 0 ? Kind::kMissing : Kind::kPresent;
      d.q_value =
          ShareTest(d.selected, d.selected_spans, d.others, d.other_spans);
    }
    if (std::min(described.selected, described.others) < kLeastSupport) return;
    const auto add = [&](const RankResult& result, Kind more, Kind less) {
      Made& made = made_.emplace_back(Made{described, depth});
      made.difference.kind = result.effect < 0 ? less : more;
      made.difference.effect = result.effect;
      made.difference.q_value = result.p_value;
    };
    if (!described.itself) {
      add(RankTest(a.counts, b.counts), Kind::kRepeated, Kind::kFewer);
    }
    add(RankTest(a.own, b.own), Kind::kSlower, Kind::kFaster);
  }

  const Side& selected_;
  const Side& others_;
  std::vector<Made> made_;
};

bool IsShare(Kind kind) {
  return kind == Kind::kPresent || kind == Kind::kMissing;
}

std::string InWords(const StructuralDifference& d) {
  const std::string where =
      d.itself ? fmt::format("{} {} itself", d.service, d.operation)
               : fmt::format("below {} {}: {} {}", d.parent_service,
                             d.parent_operation, d.service, d.operation);
  switch (d.kind) {
    case Kind::kPresent:
    case Kind::kMissing:
      return fmt::format("{} in {:.0f} % instead of {:.0f} %", where,
                         100 * static_cast<double>(d.selected) /
                             static_cast<double>(d.selected_spans),
                         100 * static_cast<double>(d.others) /
                             static_cast<double>(d.other_spans));
    case Kind::kRepeated:
    case Kind::kFewer:
      return fmt::format("{} {:.3g} times instead of {:.3g}", where,
                         d.selected_calls, d.other_calls);
    case Kind::kSlower:
    case Kind::kFaster:
      break;
  }
  return fmt::format("{} takes {:.3g} ms instead of {:.3g} ms", where,
                     d.selected_own_nanos / 1e6, d.other_own_nanos / 1e6);
}

bool Tells(const StructuralDifference& d) {
  const double least = IsShare(d.kind) ? kLeastShareEffect : kLeastRankEffect;
  return std::fabs(d.effect) >= least && d.q_value < kMostQ;
}

// A call that is missing takes everything below it along: the uppermost one
// speaks for those that are below exactly as many spans.
std::vector<StructuralDifference> BringTogether(std::vector<Made> made) {
  std::map<std::tuple<std::string, std::string, uint64_t, uint64_t>, size_t>
      speakers;
  std::vector<StructuralDifference> kept;
  for (Made& one : made) {
    StructuralDifference& d = one.difference;
    if (IsShare(d.kind)) {
      const auto [at, added] = speakers.try_emplace(
          {d.parent_service, d.parent_operation, d.selected, d.others},
          kept.size());
      if (!added) {
        kept[at->second].together.push_back(
            fmt::format("{} {}", d.service, d.operation));
        continue;
      }
    }
    d.text = InWords(d);
    kept.push_back(std::move(d));
  }
  return kept;
}

}  // namespace

std::string_view NameOf(StructureKind kind) {
  switch (kind) {
    case Kind::kPresent:
      return "present";
    case Kind::kMissing:
      return "missing";
    case Kind::kRepeated:
      return "repeated";
    case Kind::kFewer:
      return "fewer";
    case Kind::kSlower:
      return "slower";
    case Kind::kFaster:
      break;
  }
  return "faster";
}

std::vector<StructuralDifference> CompareStructure(const TraceSample& selected,
                                                   const TraceSample& others) {
  const Side a = SideBuilder(selected).Build();
  const Side b = SideBuilder(others).Build();
  std::vector<Made> made = Comparer(a, b).Compare();
  std::vector<double> p_values;
  for (const Made& one : made) p_values.push_back(one.difference.q_value);
  const std::vector<double> corrected = CorrectForManyTests(p_values);
  for (size_t i = 0; i < made.size(); ++i) {
    made[i].difference.q_value = corrected[i];
  }
  std::erase_if(made, [](const Made& one) { return !Tells(one.difference); });
  std::stable_sort(made.begin(), made.end(), [](const Made& x, const Made& y) {
    const double of_x = std::fabs(x.difference.effect);
    const double of_y = std::fabs(y.difference.effect);
    return of_x != of_y ? of_x > of_y : x.depth < y.depth;
  });
  return BringTogether(std::move(made));
}

}  // namespace khtrace::analysis
