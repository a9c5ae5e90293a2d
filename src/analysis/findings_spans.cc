// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "aggregate/error_text.h"
#include "analysis/findings.h"

// Causes that show in the names and attributes of single spans.

namespace khtrace::analysis {
namespace {

using aggregate::Trait;

constexpr double kPayloadBytes = 1 << 20;
constexpr double kManyRows = 10'000;
// Rows looked at for each one returned.
constexpr double kManyExamined = 100;
constexpr uint64_t kSlowQueryNanos = 50'000'000;
// Of a call's time, before its model is what is wrong with it.
constexpr double kModelShare = 0.6;

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return lower;
}
bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

double SelfNanos(const LinkedTrace& trace, uint32_t i) {
  const auto children = trace.children(i);
  return static_cast<double>(
      trace.duration(i) -
      CoveredNanos(trace, {children.begin(), children.end()}, i));
}

// A wait for a connection, in nanoseconds; nothing if it is no such span.
std::optional<double> PoolWait(const LinkedTrace& trace, uint32_t i) {
  if (const auto ms = trace.Number(
          i, {"db.pool.wait_ms", "pool.wait_ms", "connection.wait_ms"})) {
    return *ms * 1e6;
  }
  // Its unit in the conventions of metrics.
  if (const auto s = trace.Number(i, {"db.client.connection.wait_time"})) {
    return *s * 1e9;
  }
  const std::string name = Lower(trace.name(i));
  if (!Has(name, "pool") && !Has(name, "connection")) return std::nullopt;
  for (const std::string_view verb :
       {"acquire", "wait", "checkout", "check out", "borrow", "lease"}) {
    if (Has(name, verb)) return static_cast<double>(trace.duration(i));
  }
  return std::nullopt;
}

// Whether it asked a cache, and what came of it.
std::optional<bool> CacheHit(const LinkedTrace& trace, uint32_t i) {
  const model::SpanBatch& batch = trace.batch();
  for (const model::Attr& attr :
       batch.Attributes(batch.spans().attributes[trace.row(i)])) {
    const std::string_view key = batch.Key(attr.key);
    const bool is_bool = attr.type == model::AttrType::kBool;
    if (is_bool && (key == "cache.hit" || key.ends_with(".cache_hit") ||
                    key.ends_with(".cache.hit") || key.ends_with(".cached"))) {
      return attr.payload != 0;
    }
  }
  const std::string result =
      Lower(trace.Text(i, {"cache.result", "cache.status"}));
  if (result == "hit" || result == "miss") return result == "hit";
  return std::nullopt;
}

struct QueryFault {
  std::string what;
  double certainty = 1;
};
std::optional<QueryFault> FaultOf(const LinkedTrace& trace, uint32_t i) {
  const auto returned = trace.Number(i, {"db.response.returned_rows"});
  const auto examined = trace.Number(
      i, {"db.rows_examined", "db.response.examined_rows", "db.rows.examined"});
  if (examined && *examined >= 1000 &&
      *examined >= kManyExamined * std::max(1.0, returned.value_or(1))) {
    return QueryFault{fmt::format("looks at {:.0f} rows for {:.0f}", *examined,
                                  returned.value_or(0)),
                      1};
  }
  const std::string plan = Lower(trace.Text(i, {"db.query.plan"}));
  for (const std::string_view scan :
       {"seq scan", "full table scan", "collscan", "table access full"}) {
    if (Has(plan, scan)) return QueryFault{"its plan has a full scan", 1};
  }
  const std::string text =
      Lower(trace.Text(i, {"db.query.text", "db.statement"}));
  if (Has(text, "like '%")) {
    return QueryFault{"LIKE with a leading % cannot use an index", 0.6};
  }
  if (text.starts_with("select ") && Has(text, " from ") &&
      !Has(text, " where ") && !Has(text, " limit ")) {
    return QueryFault{"it has neither WHERE nor LIMIT", 0.5};
  }
  return std::nullopt;
}

}  // namespace

void FindPoolWaits(const SlowCall& call, Findings* out) {
  for (const uint32_t i : call.below) {
    const auto wait = PoolWait(call.trace, i);
    if (!wait || *wait <= 0) continue;
    Finding finding;
    finding.type = RecommendationType::kPoolWait;
    finding.subject = call.trace.name(i);
    finding.saving_nanos = *wait;
    finding.text = fmt::format(
        "{} waited {} for a connection: enlarge the pool, or hold connections "
        "for less time.",
        call.trace.service(i), NanosText(*wait));
    finding.facts = {{"span", std::string(call.trace.name(i))},
                     {"wait", NanosText(*wait)}};
    out->push_back(std::move(finding));
  }
}

void FindCacheMisses(const SlowCall& call, Findings* out) {
  const LinkedTrace& trace = call.trace;
  for (const uint32_t i : call.below) {
    const auto hit = CacheHit(trace, i);
    if (!hit || *hit) continue;
    // What had to be made instead: below the span itself, or beside it.
    const uint32_t maker =
        trace.children(i).empty() && !trace.is_root(i) ? trace.parent(i) : i;
    uint64_t first_end = trace.end(i);
    if (maker == i)
      first_end =
          trace.end(trace.children(i).empty() ? i : trace.children(i).front());
    const double saving =
        trace.end(maker) > first_end
            ? static_cast<double>(trace.end(maker) - first_end)
            : 0;
    Finding finding;
    finding.type = RecommendationType::kCacheMisses;
    finding.subject = trace.name(i);
    finding.saving_nanos = saving;
    finding.text = fmt::format(
        "{} missed its cache: keep entries longer, warm it, or look at its "
        "keys.",
        trace.name(i));
    finding.facts = {{"operation", std::string(trace.name(i))},
                     {"made anew in", NanosText(saving)}};
    out->push_back(std::move(finding));
  }
}

void FindOversizedPayloads(const SlowCall& call, Findings* out) {
  const LinkedTrace& trace = call.trace;
  for (const uint32_t i : call.below) {
    const auto bytes = trace.Number(
        i, {"http.response.body.size", "http.response_content_length",
            "http.request.body.size", "http.request_content_length",
            "messaging.message.body.size"});
    const auto rows = trace.Number(i, {"db.response.returned_rows"});
    const double times = std::max(bytes.value_or(0) / kPayloadBytes,
                                  rows.value_or(0) / kManyRows);
    if (times < 1) continue;
    const bool is_rows = bytes.value_or(0) < kPayloadBytes;
    Finding finding;
    finding.type = RecommendationType::kOversizedPayload;
    finding.subject = trace.name(i);
    finding.certainty = 0.8;
    finding.saving_nanos = SelfNanos(trace, i) * (1 - 1 / times);
    const std::string size =
        is_rows ? fmt::format("{:.0f} rows", *rows)
                : fmt::format("{:.1f} MiB", *bytes / kPayloadBytes);
    finding.text = fmt::format(
        "{} carries {}: ask for pages or fewer fields, or compress it.",
        trace.name(i), size);
    finding.facts = {{"operation", std::string(trace.name(i))}, {"size", size}};
    out->push_back(std::move(finding));
  }
}

void FindUnindexedQueries(const SlowCall& call, Findings* out) {
  const LinkedTrace& trace = call.trace;
  for (const uint32_t i : call.below) {
    if (trace.duration(i) < kSlowQueryNanos ||
        trace.trait(i) != Trait::kDatabase) {
      continue;
    }
    const auto fault = FaultOf(trace, i);
    if (!fault) continue;
    const std::string statement = aggregate::NormaliseMessage(
        trace.Text(i, {"db.query.text", "db.statement"}));
    Finding finding;
    finding.type = RecommendationType::kUnindexedQuery;
    finding.subject =
        statement.empty() ? std::string(trace.name(i)) : statement;
    finding.certainty = fault->certainty;
    finding.saving_nanos = 0.9 * static_cast<double>(trace.duration(i));
    finding.text = fmt::format(
        "{} takes {} and {}: look at its plan, and index what it filters by.",
        trace.name(i), NanosText(static_cast<double>(trace.duration(i))),
        fault->what);
    finding.facts = {{"operation", std::string(trace.name(i))},
                     {"statement", statement},
                     {"sign", fault->what}};
    out->push_back(std::move(finding));
  }
}

void FindSlowModels(const SlowCall& call, Findings* out) {
  const LinkedTrace& trace = call.trace;
  for (const uint32_t i : call.below) {
    const std::string_view model = trace.Text(i, {"gen_ai.request.model"});
    if (model.empty()) continue;
    // Of several spans about one request the innermost counts, with the HTTP
    // calls below it.
    const auto children = trace.children(i);
    if (std::any_of(children.begin(), children.end(), [&](uint32_t child) {
          return !trace.Text(child, {"gen_ai.request.model"}).empty();
        })) {
      continue;
    }
    const auto own = static_cast<double>(trace.duration(i));
    if (own < kModelShare * static_cast<double>(call.duration())) continue;
    Finding finding;
    finding.type = RecommendationType::kModelTooLarge;
    finding.subject = model;
    finding.certainty = 0.8;
    finding.saving_nanos = std::min(own, static_cast<double>(call.excess()));
    finding.facts = {
        {"model", std::string(model)},
        {"time", NanosText(own)},
        {"target", NanosText(static_cast<double>(call.target_nanos))}};
    const auto tokens = trace.Number(i, {"gen_ai.usage.output_tokens"});
    if (tokens && *tokens > 0) {
      finding.facts.push_back(
          {"output tokens/s", fmt::format("{:.1f}", *tokens / (own / 1e9))});
    }
    finding.text = fmt::format(
        "{} takes {} of a call that should take {}: a smaller model, fewer "
        "tokens or streaming.",
        model, NanosText(own),
        NanosText(static_cast<double>(call.target_nanos)));
    out->push_back(std::move(finding));
  }
}

// Down the call's children as long as one of them takes most of the time.
void FindSlowDependency(const SlowCall& call, Findings* out) {
  const LinkedTrace& trace = call.trace;
  uint32_t at = call.i;
  for (size_t depth = 0; depth < 100; ++depth) {
    uint32_t longest = at;
    for (const uint32_t child : trace.children(at)) {
      if (longest == at || trace.duration(child) > trace.duration(longest)) {
        longest = child;
      }
    }
    if (longest == at || 2 * trace.duration(longest) < call.duration()) break;
    at = longest;
  }
  const bool elsewhere = trace.service(at) != trace.service(call.i) ||
                         trace.kind(at) == model::SpanKind::kClient ||
                         trace.kind(at) == model::SpanKind::kProducer;
  if (at == call.i || !elsewhere) return;
  const auto nanos = static_cast<double>(trace.duration(at));
  std::string who(trace.service(at));
  const std::string_view peer =
      trace.Text(at, {"peer.service", "server.address", "db.system.name"});
  if (trace.service(at) == trace.service(call.i) && !peer.empty()) who = peer;
  Finding finding;
  finding.type = RecommendationType::kSlowDependency;
  finding.subject = fmt::format("{} {}", who, trace.name(at));
  finding.saving_nanos = std::min(nanos, static_cast<double>(call.excess()));
  finding.text = fmt::format(
      "{} of {} is spent in {} of {}: start there, or do without its answer "
      "(cache, timeout, later).",
      NanosText(nanos), NanosText(static_cast<double>(call.duration())),
      trace.name(at), who);
  finding.facts = {
      {"operation", std::string(trace.name(at))},
      {"dependency", who},
      {"share",
       fmt::format("{:.0f} %",
                   100 * nanos / static_cast<double>(call.duration()))}};
  out->push_back(std::move(finding));
}

void FindOwnTime(const SlowCall& call, Findings* out) {
  const LinkedTrace& trace = call.trace;
  const double own = SelfNanos(trace, call.i);
  const auto duration = static_cast<double>(call.duration());
  if (own < 0.5 * duration) return;
  Finding finding;
  finding.type = RecommendationType::kSlowOperation;
  finding.subject = trace.name(call.i);
  finding.saving_nanos = std::min(own, static_cast<double>(call.excess()));
  finding.text = fmt::format(
      "{:.0f} % of the time is its own, below no other span: profile it, or "
      "put spans around what it does.",
      100 * own / duration);
  finding.facts = {{"own time", NanosText(own)},
                   {"duration", NanosText(duration)}};
  out->push_back(std::move(finding));
}

}  // namespace khtrace::analysis
