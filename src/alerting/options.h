// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/options.h"
#include "base/result.h"
#include "base/secret.h"

// What is watched, when it counts as broken, and who is told. Plain data.
// docs/alerting.md explains it to users; docs/adr/0014-alerting.md says why.

namespace khtrace::alerting {

// Name and value, ordered by name, each name once.
using Labels = std::vector<std::pair<std::string, std::string>>;

enum class RuleKind : uint8_t {
  // p95 of every operation of a category against its own targets; one instance
  // for each (service, operation).
  kCategory,
  // A TraceQL metrics query; one instance for each series.
  kQuery,
  // Share of good calls against a goal, by burn rate; one instance.
  kObjective,
};

// When a value is beyond a threshold.
enum class Comparison : uint8_t { kAbove, kAtLeast, kBelow, kAtMost };

// A goal such as "99.9 % of calls are good over 30 days". A call is bad if it
// failed or took longer than `threshold`. Source of the pairs of windows:
// The Site Reliability Workbook, chapter 5, "Alerting on SLOs", method 6.
struct Objective {
  std::string select = "{ kind = server }";  // TraceQL: the calls
  std::chrono::nanoseconds threshold{};      // 0: only failures are bad
  double goal = 0.999;                       // share of good calls, below 1
  std::chrono::nanoseconds period = std::chrono::hours(30 * 24);
};

struct Rule {
  std::string name;  // unique
  RuleKind kind = RuleKind::kCategory;
  std::string category;  // of kCategory
  std::string query;     // of kQuery
  Objective objective;   // of kObjective
  // Of kQuery. Durations are seconds, as TraceQL gives them.
  Comparison compare = Comparison::kAbove;
  std::optional<double> alert;
  std::optional<double> critical;
  // Spans that started within it count. Larger: calmer, later. Those of
  // kCategory are widened to whole buckets of five minutes.
  std::chrono::nanoseconds window = std::chrono::minutes(5);
  // A threshold must be exceeded for so long (`for`).
  std::chrono::nanoseconds hold{};
  // Ends at once when the value is better than this share of the threshold;
  // between that and the threshold only after keep_firing. 1: any better value
  // ends it.
  double resolve_below = 0.9;
  std::chrono::nanoseconds keep_firing = std::chrono::minutes(5);
  // Measurements of fewer spans say nothing. 0: they are not counted.
  uint64_t min_samples = 20;
  std::string tenant;  // "": every tenant with data
  Labels labels;       // added to those of every instance
  // What the label `severity` says while the state is alert, or critical.
  std::string alert_severity = "warning";
  std::string critical_severity = "critical";
  Labels annotations;                  // go with its messages
  std::vector<std::string> receivers;  // names; empty: all
  bool enabled = true;
};

enum class ReceiverKind : uint8_t { kWebhook, kAlertmanager };
enum class WebhookFormat : uint8_t { kJson, kSlack };

struct Receiver {
  std::string name;  // unique
  ReceiverKind kind = ReceiverKind::kWebhook;
  WebhookFormat format = WebhookFormat::kJson;
  std::string url;       // http://host:port/path
  Secret bearer;         // sent as Authorization, if not empty
  bool resolved = true;  // also tell when it is over (kWebhook)
  std::chrono::nanoseconds timeout = std::chrono::seconds(3);
};

struct AlertingOptions {
  bool enabled = true;
  std::vector<Rule> rules;
  std::vector<Receiver> receivers;
  // Smaller: earlier alerts, more work.
  std::chrono::nanoseconds interval = std::chrono::seconds(30);
  // For all rules of one round together; those not reached come first in the
  // next one.
  std::chrono::nanoseconds round_timeout = std::chrono::seconds(10);
  // Webhooks are reminded of what is still firing and not acknowledged; 0s:
  // never. Alertmanager does that by itself.
  std::chrono::nanoseconds repeat = std::chrono::hours(4);
  // Events older than this are forgotten, and the oldest beyond 1000 of them.
  std::chrono::nanoseconds history = std::chrono::hours(7 * 24);
  // Messages link to traces there. "": filled in by the server.
  std::string base_url;

  // The five target rules, one for each built-in category.
  static AlertingOptions Defaults();
};

// Rules of the same name replace those of Defaults(); others come behind.
void AddRule(Rule rule, AlertingOptions* options);

// kInvalidArgument, in the words of the configuration: an unknown category or
// receiver, a query that is no metrics query, thresholds out of order, a name
// twice, an https receiver.
Status Validate(const Rule& rule, const analysis::AnalysisOptions& analysis);
Status Validate(const Receiver& receiver);
Status Validate(const AlertingOptions& options,
                const analysis::AnalysisOptions& analysis);

// Where an http URL leads. kInvalidArgument says what is wrong with it.
struct HttpAddress {
  std::string host;
  uint16_t port = 80;
  std::string target = "/";

  bool operator==(const HttpAddress&) const = default;
};
Result<HttpAddress> ParseHttpUrl(const std::string& url);

}  // namespace khtrace::alerting
