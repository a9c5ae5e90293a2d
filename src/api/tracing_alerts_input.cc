// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_alerts_input.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/text.h"

namespace khtrace::api {
namespace {

using alerting::Comparison;
using alerting::Rule;
using alerting::RuleKind;
using simdjson::dom::element;
using simdjson::dom::object;
using std::chrono::nanoseconds;

// A silence without an end.
constexpr std::chrono::hours kDefaultSilence{2};
constexpr std::chrono::hours kDefaultReplay{24};

Error Bad(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}

// Reads fields of one object; the first bad one is in status().
class Fields {
 public:
  explicit Fields(object from) : from_(from) {}

  bool Has(std::string_view key) const {
    element value;
    return !from_[key].get(value) && !value.is_null();
  }
  void Text(std::string_view key, std::string* out) {
    std::string_view text;
    if (!Has(key)) return;
    if (from_[key].get_string().get(text)) return Fail(key, "is no text");
    *out = std::string(text);
  }
  void Flag(std::string_view key, bool* out) {
    if (Has(key) && from_[key].get_bool().get(*out)) Fail(key, "is no boolean");
  }
  void Number(std::string_view key, double* out) {
    if (Has(key) && from_[key].get_double().get(*out)) {
      Fail(key, "is no number");
    }
  }
  void Count(std::string_view key, uint64_t* out) {
    if (Has(key) && from_[key].get_uint64().get(*out)) {
      Fail(key, "is no whole number from 0 on");
    }
  }
  void Duration(std::string_view key, nanoseconds* out) {
    std::string text;
    Text(key, &text);
    if (text.empty()) return;
    const auto duration = ParseGoDuration(text);
    if (!duration) return Fail(key, duration.error().message);
    if (duration->count() < 0) return Fail(key, "must not be negative");
    *out = *duration;
  }
  void Time(std::string_view key, UnixNanos* out) {
    std::string text;
    Text(key, &text);
    if (text.empty()) return;
    const auto time = ParseRfc3339(text);
    if (!time) return Fail(key, time.error().message);
    *out = *time;
  }
  // A number, or a duration in seconds.
  void Threshold(std::string_view key, std::optional<double>* out) {
    double number = 0;
    if (!Has(key)) return;
    if (!from_[key].get_double().get(number)) {
      *out = number;
      return;
    }
    nanoseconds duration{};
    Duration(key, &duration);
    *out = std::chrono::duration<double>(duration).count();
  }
  std::optional<Fields> Object(std::string_view key) {
    object inner;
    if (!Has(key)) return std::nullopt;
    if (from_[key].get_object().get(inner)) {
      Fail(key, "is no object");
      return std::nullopt;
    }
    return Fields(inner);
  }
  // `message` begins with the field's name.
  void Fail(std::string message) {
    if (status_) status_ = Bad(std::move(message));
  }
  void Fail(std::string_view key, std::string_view why) {
    Fail(fmt::format("{}: {}", key, why));
  }
  const Status& status() const { return status_; }
  const object& from() const { return from_; }

 private:
  object from_;
  Status status_;
};

Result<object> ParseObject(simdjson::dom::parser& parser,
                           std::string_view json) {
  object root;
  if (const auto error =
          parser.parse(json.data(), json.size()).get_object().get(root)) {
    return Bad(fmt::format("the body is no JSON object: {}",
                           simdjson::error_message(error)));
  }
  return root;
}

Result<alerting::Matcher> ReadMatcher(object from) {
  Fields fields(from);
  alerting::Matcher matcher;
  bool equal = true;
  fields.Text("name", &matcher.name);
  fields.Text("value", &matcher.value);
  fields.Flag("regex", &matcher.regex);
  fields.Flag("isRegex", &matcher.regex);
  fields.Flag("negate", &matcher.negate);
  fields.Flag("isEqual", &equal);
  matcher.negate = matcher.negate || !equal;
  if (!fields.status()) {
    return Bad("matchers." + fields.status().error().message);
  }
  if (matcher.name.empty()) return Bad("matchers: one has no name");
  return matcher;
}

Status ReadMatchers(const Fields& fields, alerting::Silence* silence) {
  simdjson::dom::array items;
  if (fields.from()["matchers"].get_array().get(items)) {
    return Bad("matchers: a list is needed");
  }
  for (const element item : items) {
    object from;
    if (item.get_object().get(from)) {
      return Bad("matchers: one is no object");
    }
    ASSIGN_OR_RETURN(alerting::Matcher matcher, ReadMatcher(from));
    silence->matchers.push_back(std::move(matcher));
  }
  return {};
}

void ReadKind(Fields& fields, Rule* rule) {
  fields.Text("category", &rule->category);
  fields.Text("query", &rule->query);
  if (fields.Has("category")) rule->kind = RuleKind::kCategory;
  if (fields.Has("query")) rule->kind = RuleKind::kQuery;
  auto objective = fields.Object("objective");
  if (!objective) return;
  rule->kind = RuleKind::kObjective;
  objective->Text("select", &rule->objective.select);
  objective->Duration("threshold", &rule->objective.threshold);
  objective->Number("goal", &rule->objective.goal);
  objective->Duration("period", &rule->objective.period);
  if (!objective->status()) {
    fields.Fail("objective." + objective->status().error().message);
  }
}

void ReadCompare(Fields& fields, Rule* rule) {
  constexpr std::string_view kNames[] = {"above", "at_least", "below",
                                         "at_most"};
  std::string text;
  fields.Text("compare", &text);
  if (text.empty()) return;
  const auto* found = std::find(std::begin(kNames), std::end(kNames), text);
  if (found == std::end(kNames)) {
    return fields.Fail("compare",
                       "is none of above, at_least, below and at_most");
  }
  rule->compare = static_cast<Comparison>(found - std::begin(kNames));
}

// Texts are kept, and written with every state.
Status CheckLength(std::string_view what, const std::string& text) {
  constexpr size_t kMaxText = 1024;
  if (text.size() <= kMaxText) return {};
  return Bad(fmt::format("{}: {} bytes; {} are the most", what, text.size(),
                         kMaxText));
}

Status ReadRule(Fields& fields, const std::vector<Rule>& known, Rule* rule) {
  std::string name;
  fields.Text("rule", &name);
  rule->name = "test";
  if (!name.empty()) {
    const auto found =
        std::find_if(known.begin(), known.end(),
                     [&](const Rule& one) { return one.name == name; });
    if (found == known.end()) {
      return Error{Code::kNotFound, fmt::format("no rule '{}'", name)};
    }
    *rule = *found;
  } else if (!fields.Has("category") && !fields.Has("query") &&
             !fields.Has("objective")) {
    return Bad(
        "rule: missing, and so are category, query and objective; one of them "
        "is needed");
  }
  ReadKind(fields, rule);
  if (name.empty() && rule->kind == RuleKind::kQuery) rule->min_samples = 0;
  ReadCompare(fields, rule);
  fields.Threshold("alert", &rule->alert);
  fields.Threshold("critical", &rule->critical);
  fields.Duration("window", &rule->window);
  fields.Duration("for", &rule->hold);
  fields.Number("resolve_below", &rule->resolve_below);
  fields.Duration("keep_firing_for", &rule->keep_firing);
  fields.Count("min_samples", &rule->min_samples);
  return fields.status();
}

}  // namespace

Result<alerting::Silence> ParseSilence(std::string_view json, UnixNanos now) {
  simdjson::dom::parser parser;
  ASSIGN_OR_RETURN(const object root, ParseObject(parser, json));
  Fields fields(root);
  alerting::Silence silence;
  nanoseconds duration = kDefaultSilence;
  fields.Time("startsAt", &silence.start);
  fields.Time("start", &silence.start);
  fields.Time("endsAt", &silence.end);
  fields.Time("end", &silence.end);
  fields.Duration("duration", &duration);
  fields.Text("comment", &silence.comment);
  fields.Text("createdBy", &silence.created_by);
  fields.Text("created_by", &silence.created_by);
  RETURN_IF_ERROR(fields.status());
  RETURN_IF_ERROR(ReadMatchers(fields, &silence));
  RETURN_IF_ERROR(CheckLength("comment", silence.comment));
  RETURN_IF_ERROR(CheckLength("created_by", silence.created_by));
  for (const alerting::Matcher& matcher : silence.matchers) {
    RETURN_IF_ERROR(CheckLength("matchers: a name", matcher.name));
    RETURN_IF_ERROR(CheckLength("matchers: a value", matcher.value));
  }
  if (silence.start.ns == 0) silence.start = now;
  if (silence.end.ns == 0) silence.end = silence.start.Plus(duration);
  return silence;
}

Result<Acknowledgement> ParseAcknowledgement(std::string_view json) {
  Acknowledgement ack;
  if (json.empty()) return ack;
  simdjson::dom::parser parser;
  ASSIGN_OR_RETURN(const object root, ParseObject(parser, json));
  Fields fields(root);
  fields.Text("by", &ack.by);
  fields.Text("comment", &ack.comment);
  RETURN_IF_ERROR(fields.status());
  RETURN_IF_ERROR(CheckLength("by", ack.by));
  RETURN_IF_ERROR(CheckLength("comment", ack.comment));
  return ack;
}

Result<alerting::ReplayRequest> ParseReplay(std::string_view json,
                                            const std::vector<Rule>& known,
                                            UnixNanos now) {
  simdjson::dom::parser parser;
  ASSIGN_OR_RETURN(const object root, ParseObject(parser, json));
  Fields fields(root);
  alerting::ReplayRequest request;
  RETURN_IF_ERROR(ReadRule(fields, known, &request.rule));
  nanoseconds since = kDefaultReplay;
  fields.Duration("since", &since);
  fields.Duration("step", &request.step);
  request.end = now;
  fields.Time("end", &request.end);
  request.start = request.end.Minus(since);
  fields.Time("start", &request.start);
  RETURN_IF_ERROR(fields.status());
  return request;
}

}  // namespace khtrace::api
