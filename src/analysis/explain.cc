// SPDX-License-Identifier: Apache-2.0
#include "analysis/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "analysis/two_samples.h"
#include "query/metrics.h"
#include "traceql/checker.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

namespace khtrace::analysis {
namespace {

using traceql::Static;

// Values of each attribute and side that are compared: TraceQL's most is 1000.
constexpr size_t kValues = 200;
// Fewer spans than these on the side that has more say nothing.
constexpr uint64_t kLeastSupport = 5;
constexpr double kLeastEffect = 0.05;
constexpr double kMostQ = 0.01;
constexpr size_t kInWords = 3;
// Spans of a trace whose structure is looked at, and operations of them.
constexpr size_t kStructureSpans = 20;
constexpr size_t kStructureOperations = 10;

Status CheckFilter(std::string_view what, const std::string& text) {
  const auto query = traceql::ParseQuery(text);
  Status checked = query ? traceql::CheckQuery(*query) : query.error();
  if (checked && query->is_metrics()) {
    checked = Error{Code::kInvalidArgument, "a metrics query selects no spans"};
  }
  if (checked) return {};
  return Error{Code::kInvalidArgument,
               fmt::format("{}: {}", what, checked.error().message)};
}

Result<traceql::Query> CompareQuery(const ExplainRequest& request) {
  RETURN_IF_ERROR(CheckFilter("selection", request.selection));
  RETURN_IF_ERROR(CheckFilter("baseline", request.baseline));
  // compare() takes its selection from what stands before it.
  const std::string text = fmt::format("{} | compare({}, {})", request.baseline,
                                       request.selection, kValues);
  auto query = traceql::ParseQuery(text);
  if (!query) {
    return Error{Code::kInvalidArgument,
                 fmt::format("selection: {}: one filter in braces is needed",
                             query.error().message)};
  }
  RETURN_IF_ERROR(traceql::CheckQuery(*query));
  return query;
}

std::string ValueText(const Static& value) {
  if (const auto* text = std::get_if<std::string>(&value.value)) return *text;
  traceql::FieldExpr literal;
  literal.node = value;
  return traceql::Print(literal);
}

// Spans of both sides, by attribute and value.
struct Counts {
  uint64_t selected = 0;
  uint64_t others = 0;
};
struct Sides {
  Counts totals;
  std::map<std::pair<std::string, std::string>, Counts> values;
};

Sides Collect(const query::MetricsResult& result) {
  Sides sides;
  for (const query::Series& series : result.series) {
    std::string side;
    const query::Label* attribute = nullptr;
    bool usable = true;
    for (const query::Label& label : series.labels) {
      const auto* text = std::get_if<std::string>(&label.value.value);
      if (label.key == "__meta_type" && text != nullptr) {
        side = *text;
      } else if (label.key == "__meta_error") {
        usable = false;
      } else {
        attribute = &label;
      }
    }
    if (attribute == nullptr || !usable) continue;
    double sum = 0;
    for (const double value : series.values) {
      if (!std::isnan(value)) sum += value;
    }
    const auto count = static_cast<uint64_t>(sum);
    const bool selected = side.starts_with("selection");
    if (side.ends_with("_total")) {
      // Every span has a kind.
      uint64_t& total = selected ? sides.totals.selected : sides.totals.others;
      total = std::max(total, count);
      continue;
    }
    Counts& counts =
        sides.values[{attribute->key, ValueText(attribute->value)}];
    (selected ? counts.selected : counts.others) += count;
  }
  return sides;
}

void CorrectQValues(std::vector<Difference>* differences) {
  std::vector<double> p_values;
  for (const Difference& d : *differences) p_values.push_back(d.q_value);
  const std::vector<double> corrected = CorrectForManyTests(p_values);
  for (size_t i = 0; i < corrected.size(); ++i) {
    (*differences)[i].q_value = corrected[i];
  }
}

// What occurs on the same spans says the same: the first one speaks. By equal
// counts; two values of one attribute are never on the same spans.
void BringTogether(std::vector<Difference>* differences) {
  struct Speaker {
    size_t place = 0;
    std::set<std::string> attributes;
  };
  std::map<std::pair<uint64_t, uint64_t>, Speaker> speakers;
  std::vector<Difference> kept;
  for (Difference& difference : *differences) {
    const auto [at, added] =
        speakers.try_emplace({difference.selected, difference.others});
    Speaker& speaker = at->second;
    if (added) speaker.place = kept.size();
    const bool other = speaker.attributes.insert(difference.attribute).second;
    if (added || !other) {
      kept.push_back(std::move(difference));
      continue;
    }
    kept[speaker.place].together.push_back(
        fmt::format("{} = {}", difference.attribute, difference.value));
  }
  *differences = std::move(kept);
}

std::string InWords(const Explanation& explanation) {
  if (explanation.selected == 0) {
    return "The selection has no spans in this range: widen the range or the "
           "filter.";
  }
  if (explanation.others == 0) {
    return "Every span is in the selection: there is nothing to compare it "
           "with.";
  }
  std::string words;
  if (explanation.differences.empty()) {
    words = fmt::format(
        "No attribute tells the {} selected spans from the {} others",
        explanation.selected, explanation.others);
  }
  for (size_t i = 0; i < explanation.differences.size() && i < kInWords; ++i) {
    const Difference& d = explanation.differences[i];
    words += fmt::format(
        "{}{} = {} on {:.0f} % of the selected spans, {:.0f} "
        "% of the others",
        i == 0 ? "" : "; ", d.attribute, d.value, 100 * d.selected_share,
        100 * d.other_share);
  }
  for (size_t i = 0; i < explanation.structure.size() && i < kInWords; ++i) {
    words += "; " + explanation.structure[i].text;
  }
  return words + ".";
}

// The attributes that a query names, as its canonical text spells them; those
// without scope with their dot.
std::set<std::string> NamedIn(const std::string& query) {
  const auto parsed = traceql::ParseQuery(query);
  if (!parsed) return {};
  std::set<std::string> names;
  std::string name;
  bool quoted = false;
  const std::string text = traceql::Print(*parsed) + " ";
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                           c == '_' || c == '.' || c == ':' || c == '-')) {
      name += c;
      continue;
    }
    if (!name.empty()) names.insert(std::exchange(name, {}));
  }
  return names;
}

bool IsNamed(const std::set<std::string>& names, const std::string& key) {
  if (names.count(key) > 0) return true;
  const size_t dot = key.find('.');
  return dot != std::string::npos && names.count(key.substr(dot)) > 0;
}

std::vector<Difference> Compare(const Sides& sides,
                                const std::string& selection) {
  const std::set<std::string> named = NamedIn(selection);
  std::vector<Difference> differences;
  for (const auto& [key, counts] : sides.values) {
    // What was selected by is no news.
    if (IsNamed(named, key.first)) continue;
    Difference difference;
    difference.attribute = key.first;
    difference.value = key.second;
    difference.selected = counts.selected;
    difference.others = counts.others;
    if (sides.totals.selected > 0) {
      difference.selected_share = static_cast<double>(counts.selected) /
                                  static_cast<double>(sides.totals.selected);
    }
    if (sides.totals.others > 0) {
      difference.other_share = static_cast<double>(counts.others) /
                               static_cast<double>(sides.totals.others);
    }
    difference.effect = difference.selected_share - difference.other_share;
    difference.q_value = ShareTest(counts.selected, sides.totals.selected,
                                   counts.others, sides.totals.others);
    differences.push_back(std::move(difference));
  }
  CorrectQValues(&differences);
  std::erase_if(differences, [](const Difference& d) {
    return std::max(d.selected, d.others) < kLeastSupport ||
           std::fabs(d.effect) < kLeastEffect || !(d.q_value < kMostQ);
  });
  std::stable_sort(differences.begin(), differences.end(),
                   [](const Difference& a, const Difference& b) {
                     return std::fabs(a.effect) > std::fabs(b.effect);
                   });
  return differences;
}

// The condition of a query that CompareQuery took.
const traceql::FieldExpr* ConditionOf(const traceql::Query& query) {
  const auto* pipeline = std::get_if<traceql::Pipeline>(&query.root);
  if (pipeline == nullptr || pipeline->stages.size() != 1) return nullptr;
  const auto* spans = std::get_if<traceql::SpansetExpr>(&pipeline->stages[0]);
  if (spans == nullptr) return nullptr;
  const auto* filter = std::get_if<traceql::SpansetFilter>(&spans->node);
  return filter == nullptr ? nullptr : &filter->condition;
}

// "name and service are those of a matched span", for the most frequent ones.
std::string OperationsOf(const TraceSample& sample) {
  std::vector<std::pair<uint64_t, uint32_t>> counts(sample.operations.size());
  for (uint32_t i = 0; i < counts.size(); ++i) counts[i].second = i;
  for (const TraceSample::Span& span : sample.spans) {
    if (span.matched) ++counts[span.operation].first;
  }
  std::stable_sort(
      counts.begin(), counts.end(),
      [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> conditions;
  for (const auto& [count, operation] : counts) {
    if (count < kLeastSupport || conditions.size() == kStructureOperations) {
      break;
    }
    const TraceSample::Operation& names = sample.operations[operation];
    conditions.push_back(fmt::format(
        "(name = {} && resource.service.name = {})",
        traceql::Quoted(names.name), traceql::Quoted(names.service)));
  }
  return fmt::format("{}", fmt::join(conditions, " || "));
}

// Spans of both sides that have the same operation, with what is below them.
Status AddStructure(storage::TraceReader& reader, const RequestContext& context,
                    const ExplainRequest& request, Explanation* explanation) {
  ASSIGN_OR_RETURN(const traceql::Query selection,
                   traceql::ParseQuery(request.selection));
  ASSIGN_OR_RETURN(const traceql::Query baseline,
                   traceql::ParseQuery(request.baseline));
  const auto* condition = ConditionOf(selection);
  const auto* before = std::get_if<traceql::Pipeline>(&baseline.root);
  if (condition == nullptr || before == nullptr) return {};
  const std::string selected = traceql::Print(*condition);
  const std::string from = traceql::Print(*before);
  SampleRequest sample;
  sample.query = fmt::format("{} | {{ {} }}", from, selected);
  sample.window = {request.start, request.end};
  sample.max_traces = kStructureTraces;
  sample.max_matched = kStructureSpans;
  sample.helpers = request.helpers;
  sample.judge = request.judge;
  ASSIGN_OR_RETURN(const TraceSample a, TakeSample(reader, context, sample));
  const std::string operations = OperationsOf(a);
  if (operations.empty()) return {};
  // Of what is nil the negation is nil as well.
  sample.query = fmt::format("{} | {{ !(({}) = true) && ({}) }}", from,
                             selected, operations);
  ASSIGN_OR_RETURN(const TraceSample b, TakeSample(reader, context, sample));
  explanation->structure = CompareStructure(a, b);
  explanation->structure_complete = a.complete && b.complete;
  explanation->stats.inspected_spans += a.inspected_spans + b.inspected_spans;
  if (explanation->structure.size() > request.limit) {
    explanation->structure.resize(request.limit);
  }
  return {};
}

}  // namespace

Result<Explanation> Explain(storage::TraceReader& reader,
                            const RequestContext& context,
                            const ExplainRequest& request) {
  ASSIGN_OR_RETURN(const traceql::Query query, CompareQuery(request));
  query::MetricsRequest metrics;
  metrics.query = &query;
  metrics.start = request.start;
  metrics.end = request.end;
  metrics.instant = true;
  metrics.max_exemplars = 0;
  metrics.max_series = 0;
  metrics.helpers = request.helpers;
  metrics.judge = request.judge;
  ASSIGN_OR_RETURN(const query::MetricsResult result,
                   query::RunMetrics(reader, context, metrics));
  const Sides sides = Collect(result);
  Explanation explanation;
  explanation.selected = sides.totals.selected;
  explanation.others = sides.totals.others;
  explanation.stats = result.stats;
  explanation.differences = Compare(sides, request.selection);
  BringTogether(&explanation.differences);
  if (explanation.differences.size() > request.limit) {
    explanation.differences.resize(request.limit);
  }
  if (explanation.selected > 0 && explanation.others > 0) {
    RETURN_IF_ERROR(AddStructure(reader, context, request, &explanation));
  }
  explanation.summary = InWords(explanation);
  return explanation;
}

}  // namespace khtrace::analysis
