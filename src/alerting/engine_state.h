// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/alert_state.h"
#include "alerting/measurement.h"
#include "base/result.h"

// Everything that the engine remembers, in memory and in its file. Plain data.

namespace re2 {
class RE2;
}

namespace khtrace::alerting {

// An instance of a rule with all that is told of it.
struct Alert {
  std::string id;  // 16 hex digits of tenant, rule and labels
  std::string tenant;
  std::string rule;
  Labels labels;  // of the instance, without the rule's
  AlertState state;
  // The last one with a value; describes what fired.
  Measurement last;
  // What receivers were told last. kOk: nothing, or that it is over.
  Phase notified = Phase::kOk;
  UnixNanos notified_at;
  bool acknowledged = false;  // until it gets worse or ends
  std::string acknowledged_by;
  std::string comment;
  UnixNanos acknowledged_at;
  UnixNanos seen_at;  // the last measurement, with or without a value
};

std::string AlertId(std::string_view tenant, std::string_view rule,
                    const Labels& labels);

// A change of phase.
struct Event {
  UnixNanos at;
  std::string alert_id;
  std::string tenant;
  std::string rule;
  Labels labels;
  Phase from = Phase::kOk;
  Phase to = Phase::kOk;
  std::optional<double> value;
  std::string unit;
  uint64_t count = 0;
  std::string example;
  std::string reason;
};

struct Matcher {
  std::string name;
  std::string value;
  bool negate = false;  // !=, !~
  bool regex = false;   // =~, !~; of the whole value

  bool operator==(const Matcher&) const = default;
};

// While it lasts, nobody is told of alerts of its tenant that all matchers
// fit. They are evaluated all the same.
struct Silence {
  std::string id;
  std::string tenant;
  std::vector<Matcher> matchers;
  UnixNanos start;
  UnixNanos end;
  std::string comment;
  std::string created_by;
};

// A message that a webhook has not taken yet.
struct OutMessage {
  std::string id;  // receivers may tell repeated deliveries by it
  std::string receiver;
  std::string body;
  UnixNanos created_at;
  // Whose alerts it tells of. Not in the file.
  std::set<std::string> tenants = {};
};

struct EngineState {
  UnixNanos evaluated_at;  // 0: never
  uint64_t next_number = 1;
  std::map<std::string, Alert> alerts;  // by id
  std::deque<Event> history;            // oldest first
  std::vector<Silence> silences;
  std::deque<OutMessage> outbox;  // oldest first
};

// The matchers of a silence, compiled. Immutable.
class MatcherSet {
 public:
  // kInvalidArgument: a regex that cannot be read, or no matcher at all.
  static Result<MatcherSet> Compile(const std::vector<Matcher>& matchers);
  // Whether all fit. `labels` are those of RuleLabels(); a label that is not
  // there is "".
  bool Fits(const Labels& labels) const;

 private:
  struct One {
    Matcher matcher;
    std::shared_ptr<const re2::RE2> regex;  // nullptr: an equal value
  };
  MatcherSet() = default;

  std::vector<One> all_;
};
// What silences match and Alertmanager sees: the instance's labels, the
// rule's, alertname, tenant (unless it is the default) and severity.
Labels RuleLabels(const Rule& rule, const Alert& alert, Phase phase);

// docs/format/alert-state.md.
std::string FormatState(const EngineState& state);
// kDataLoss: not such a file, or damaged. kFailedPrecondition: of a newer
// version. Never crashes, whatever the bytes.
Result<EngineState> ParseState(std::string_view bytes);

}  // namespace khtrace::alerting
