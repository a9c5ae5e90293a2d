// SPDX-License-Identifier: Apache-2.0
// The file, one line and a JSON document (docs/format/alert-state.md):
//
//   khtrace-alert-state 1 <XXH3-64 of the document, 16 hex digits>\n
//   {"evaluated_at":…,"alerts":[…],"history":[…],"silences":[…],"outbox":[…]}
//
// Times are nanoseconds since 1970, durations nanoseconds.
#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>

#include "alerting/engine_state.h"
#include "base/hash.h"
#include "wire/json_writer.h"

namespace khtrace::alerting {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;
using std::chrono::nanoseconds;
using wire::JsonWriter;

constexpr std::string_view kMagic = "khtrace-alert-state ";
constexpr int kVersion = 1;

// --- Writing ----------------------------------------------------------------

void Text(JsonWriter& w, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  w.Key(key);
  w.String(value);
}

void Time(JsonWriter& w, std::string_view key, UnixNanos time) {
  if (time.ns == 0) return;
  w.Key(key);
  w.Uint(time.ns);
}

void Number(JsonWriter& w, std::string_view key,
            const std::optional<double>& value) {
  if (!value) return;
  w.Key(key);
  w.Double(*value);
}

void Timer(JsonWriter& w, std::string_view key,
           const std::optional<nanoseconds>& value) {
  if (!value) return;
  w.Key(key);
  w.Int(value->count());
}

void WriteLabels(JsonWriter& w, const Labels& labels) {
  w.Key("labels");
  w.BeginObject();
  for (const auto& [name, value] : labels) {
    w.EscapedKey(name);
    w.String(value);
  }
  w.EndObject();
}

void WriteAlertState(JsonWriter& w, const AlertState& state) {
  w.Key("state");
  w.BeginObject();
  Text(w, "phase", PhaseName(state.phase));
  Time(w, "since", state.since);
  Time(w, "fired_at", state.fired_at);
  Time(w, "resolved_at", state.resolved_at);
  Timer(w, "beyond_alert", state.beyond_alert);
  Timer(w, "beyond_critical", state.beyond_critical);
  Timer(w, "within_alert", state.within_alert);
  Timer(w, "within_critical", state.within_critical);
  Time(w, "evaluated_at", state.evaluated_at);
  Text(w, "no_data", state.no_data);
  w.EndObject();
}

void WriteMeasurement(JsonWriter& w, const Measurement& m) {
  w.Key("last");
  w.BeginObject();
  Number(w, "value", m.value);
  w.Key("count");
  w.Uint(m.count);
  Text(w, "unit", m.unit);
  Number(w, "target", m.target);
  Number(w, "alert", m.alert);
  Number(w, "critical", m.critical);
  Text(w, "example", m.example);
  Text(w, "reason", m.reason);
  Text(w, "recommendation", m.recommendation);
  w.EndObject();
}

void WriteAlert(JsonWriter& w, const Alert& alert) {
  w.BeginObject();
  Text(w, "tenant", alert.tenant);
  Text(w, "rule", alert.rule);
  WriteLabels(w, alert.labels);
  WriteAlertState(w, alert.state);
  WriteMeasurement(w, alert.last);
  Text(w, "notified", PhaseName(alert.notified));
  Time(w, "notified_at", alert.notified_at);
  w.Key("acknowledged");
  w.Bool(alert.acknowledged);
  Text(w, "acknowledged_by", alert.acknowledged_by);
  Text(w, "comment", alert.comment);
  Time(w, "acknowledged_at", alert.acknowledged_at);
  Time(w, "seen_at", alert.seen_at);
  w.EndObject();
}

void WriteEvent(JsonWriter& w, const Event& event) {
  w.BeginObject();
  Time(w, "at", event.at);
  Text(w, "tenant", event.tenant);
  Text(w, "rule", event.rule);
  WriteLabels(w, event.labels);
  Text(w, "from", PhaseName(event.from));
  Text(w, "to", PhaseName(event.to));
  Number(w, "value", event.value);
  Text(w, "unit", event.unit);
  w.Key("count");
  w.Uint(event.count);
  Text(w, "example", event.example);
  Text(w, "reason", event.reason);
  w.EndObject();
}

void WriteSilence(JsonWriter& w, const Silence& silence) {
  w.BeginObject();
  Text(w, "id", silence.id);
  Text(w, "tenant", silence.tenant);
  Time(w, "start", silence.start);
  Time(w, "end", silence.end);
  Text(w, "comment", silence.comment);
  Text(w, "created_by", silence.created_by);
  w.Key("matchers");
  w.BeginArray();
  for (const Matcher& matcher : silence.matchers) {
    w.BeginObject();
    Text(w, "name", matcher.name);
    Text(w, "value", matcher.value);
    w.Key("negate");
    w.Bool(matcher.negate);
    w.Key("regex");
    w.Bool(matcher.regex);
    w.EndObject();
  }
  w.EndArray();
  w.EndObject();
}

void WriteOutMessage(JsonWriter& w, const OutMessage& message) {
  w.BeginObject();
  Text(w, "id", message.id);
  Text(w, "receiver", message.receiver);
  Text(w, "body", message.body);
  Time(w, "created_at", message.created_at);
  w.EndObject();
}

template <typename Items, typename Write>
void WriteList(JsonWriter& w, std::string_view key, const Items& items,
               const Write& write) {
  w.Key(key);
  w.BeginArray();
  for (const auto& item : items) write(w, item);
  w.EndArray();
}

// --- Reading ----------------------------------------------------------------
// A field that is missing or of another type keeps its default: the checksum
// says that the file is ours, and an older version may not have had it.

std::string TextOf(const object& from, std::string_view key) {
  std::string_view text;
  return from[key].get_string().get(text) ? std::string() : std::string(text);
}

UnixNanos TimeOf(const object& from, std::string_view key) {
  uint64_t ns = 0;
  return from[key].get_uint64().get(ns) ? UnixNanos() : UnixNanos{ns};
}

uint64_t CountOf(const object& from, std::string_view key) {
  uint64_t count = 0;
  return from[key].get_uint64().get(count) ? 0 : count;
}

bool FlagOf(const object& from, std::string_view key) {
  bool flag = false;
  return !from[key].get_bool().get(flag) && flag;
}

std::optional<double> NumberOf(const object& from, std::string_view key) {
  double number = 0;
  if (from[key].get_double().get(number)) return std::nullopt;
  return number;
}

std::optional<nanoseconds> TimerOf(const object& from, std::string_view key) {
  int64_t ns = 0;
  // A century at most, so that adding to it cannot overflow.
  if (from[key].get_int64().get(ns) || ns < 0 || ns > int64_t{1} << 61) {
    return std::nullopt;
  }
  return nanoseconds(ns);
}

Phase PhaseOf(const object& from, std::string_view key) {
  return ParsePhase(TextOf(from, key)).value_or(Phase::kOk);
}

Labels LabelsOf(const object& from) {
  Labels labels;
  object fields;
  if (from["labels"].get_object().get(fields)) return labels;
  for (const auto& [name, value] : fields) {
    std::string_view text;
    if (!value.get_string().get(text)) {
      labels.emplace_back(std::string(name), std::string(text));
    }
  }
  return labels;
}

AlertState ReadAlertState(const object& from) {
  AlertState state;
  state.phase = PhaseOf(from, "phase");
  state.since = TimeOf(from, "since");
  state.fired_at = TimeOf(from, "fired_at");
  state.resolved_at = TimeOf(from, "resolved_at");
  state.beyond_alert = TimerOf(from, "beyond_alert");
  state.beyond_critical = TimerOf(from, "beyond_critical");
  state.within_alert = TimerOf(from, "within_alert");
  state.within_critical = TimerOf(from, "within_critical");
  state.evaluated_at = TimeOf(from, "evaluated_at");
  state.no_data = TextOf(from, "no_data");
  return state;
}

Measurement ReadMeasurement(const object& from) {
  Measurement m;
  m.value = NumberOf(from, "value");
  m.count = CountOf(from, "count");
  m.unit = TextOf(from, "unit");
  m.target = NumberOf(from, "target");
  m.alert = NumberOf(from, "alert");
  m.critical = NumberOf(from, "critical");
  m.example = TextOf(from, "example");
  m.reason = TextOf(from, "reason");
  m.recommendation = TextOf(from, "recommendation");
  return m;
}

void ReadAlert(const object& from, EngineState* state) {
  Alert alert;
  alert.tenant = TextOf(from, "tenant");
  alert.rule = TextOf(from, "rule");
  alert.labels = LabelsOf(from);
  alert.id = AlertId(alert.tenant, alert.rule, alert.labels);
  object part;
  if (!from["state"].get_object().get(part)) {
    alert.state = ReadAlertState(part);
  }
  if (!from["last"].get_object().get(part)) {
    alert.last = ReadMeasurement(part);
  }
  alert.last.labels = alert.labels;
  alert.notified = PhaseOf(from, "notified");
  alert.notified_at = TimeOf(from, "notified_at");
  alert.acknowledged = FlagOf(from, "acknowledged");
  alert.acknowledged_by = TextOf(from, "acknowledged_by");
  alert.comment = TextOf(from, "comment");
  alert.acknowledged_at = TimeOf(from, "acknowledged_at");
  alert.seen_at = TimeOf(from, "seen_at");
  std::string id = alert.id;
  state->alerts.insert_or_assign(std::move(id), std::move(alert));
}

void ReadEvent(const object& from, EngineState* state) {
  Event event;
  event.at = TimeOf(from, "at");
  event.tenant = TextOf(from, "tenant");
  event.rule = TextOf(from, "rule");
  event.labels = LabelsOf(from);
  event.alert_id = AlertId(event.tenant, event.rule, event.labels);
  event.from = PhaseOf(from, "from");
  event.to = PhaseOf(from, "to");
  event.value = NumberOf(from, "value");
  event.unit = TextOf(from, "unit");
  event.count = CountOf(from, "count");
  event.example = TextOf(from, "example");
  event.reason = TextOf(from, "reason");
  state->history.push_back(std::move(event));
}

template <typename Read>
void ReadList(const object& from, std::string_view key, const Read& read) {
  simdjson::dom::array items;
  if (from[key].get_array().get(items)) return;
  for (const element item : items) {
    object fields;
    if (!item.get_object().get(fields)) read(fields);
  }
}

void ReadSilence(const object& from, EngineState* state) {
  Silence silence;
  silence.id = TextOf(from, "id");
  silence.tenant = TextOf(from, "tenant");
  silence.start = TimeOf(from, "start");
  silence.end = TimeOf(from, "end");
  silence.comment = TextOf(from, "comment");
  silence.created_by = TextOf(from, "created_by");
  ReadList(from, "matchers", [&](const object& fields) {
    silence.matchers.push_back({.name = TextOf(fields, "name"),
                                .value = TextOf(fields, "value"),
                                .negate = FlagOf(fields, "negate"),
                                .regex = FlagOf(fields, "regex")});
  });
  state->silences.push_back(std::move(silence));
}

void ReadOutMessage(const object& from, EngineState* state) {
  state->outbox.push_back({.id = TextOf(from, "id"),
                           .receiver = TextOf(from, "receiver"),
                           .body = TextOf(from, "body"),
                           .created_at = TimeOf(from, "created_at")});
}

Error Damaged(std::string_view what) {
  return {Code::kDataLoss,
          fmt::format("not a readable file of alert states: {}", what)};
}

// The document behind the first line.
Result<std::string_view> CheckHead(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return Damaged("it begins with other words");
  const size_t line_end = bytes.find('\n');
  if (line_end == bytes.npos) return Damaged("its first line has no end");
  const std::string_view head =
      bytes.substr(kMagic.size(), line_end - kMagic.size());
  int version = 0;
  const auto [end, error] =
      std::from_chars(head.data(), head.data() + head.size(), version);
  if (error != std::errc() || version < 1) {
    return Damaged("its version is no number");
  }
  if (version > kVersion) {
    return Error{Code::kFailedPrecondition,
                 fmt::format("alert states of version {}; this program reads "
                             "up to version {}",
                             version, kVersion)};
  }
  const std::string_view document = bytes.substr(line_end + 1);
  const std::string_view sum =
      head.substr(static_cast<size_t>(end - head.data()));
  if (sum != fmt::format(" {:016x}", Hash64(document))) {
    return Damaged("its checksum differs");
  }
  return document;
}

}  // namespace

std::string FormatState(const EngineState& state) {
  std::string document;
  JsonWriter w(&document);
  w.BeginObject();
  Time(w, "evaluated_at", state.evaluated_at);
  w.Key("next_number");
  w.Uint(state.next_number);
  WriteList(w, "alerts", state.alerts, [](JsonWriter& to, const auto& entry) {
    WriteAlert(to, entry.second);
  });
  WriteList(w, "history", state.history, WriteEvent);
  WriteList(w, "silences", state.silences, WriteSilence);
  WriteList(w, "outbox", state.outbox, WriteOutMessage);
  w.EndObject();
  return fmt::format("{}{} {:016x}\n{}", kMagic, kVersion, Hash64(document),
                     document);
}

Result<EngineState> ParseState(std::string_view bytes) {
  ASSIGN_OR_RETURN(const std::string_view document, CheckHead(bytes));
  simdjson::dom::parser parser;
  object root;
  if (const auto error = parser.parse(document.data(), document.size())
                             .get_object()
                             .get(root)) {
    return Damaged(simdjson::error_message(error));
  }
  EngineState state;
  state.evaluated_at = TimeOf(root, "evaluated_at");
  state.next_number = CountOf(root, "next_number");
  ReadList(root, "alerts", [&](const object& o) { ReadAlert(o, &state); });
  ReadList(root, "history", [&](const object& o) { ReadEvent(o, &state); });
  ReadList(root, "silences", [&](const object& o) { ReadSilence(o, &state); });
  ReadList(root, "outbox", [&](const object& o) { ReadOutMessage(o, &state); });
  return state;
}

}  // namespace khtrace::alerting
