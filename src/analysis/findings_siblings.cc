// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "aggregate/error_text.h"
#include "analysis/findings.h"

// Causes that show in the children of one span.

namespace khtrace::analysis {
namespace {

using aggregate::Trait;
using model::SpanKind;

// Fewer repeats are no loop over rows.
constexpr size_t kLeastQueries = 5;
constexpr size_t kLeastEmbeddings = 3;
constexpr size_t kLeastAttempts = 3;
constexpr size_t kLeastSequential = 3;
// Calls in a row must take so much of the call to be worth a change, and
// follow each other within this part of it.
constexpr double kSequentialShare = 0.5;
constexpr double kSequentialGap = 0.03;

bool IsOutgoing(SpanKind kind) {
  return kind == SpanKind::kClient || kind == SpanKind::kProducer;
}

// In order of start, as children are.
using Members = std::vector<uint32_t>;
struct Group {
  std::string service;
  std::string name;
  std::string statement;  // normalised
  Members members;
};

bool InARow(const LinkedTrace& trace, const Members& members) {
  for (size_t n = 1; n < members.size(); ++n) {
    if (trace.start(members[n]) < trace.end(members[n - 1])) return false;
  }
  return true;
}

uint64_t TotalOf(const LinkedTrace& trace, const Members& members) {
  uint64_t total = 0;
  for (const uint32_t member : members) total += trace.duration(member);
  return total;
}
uint64_t LongestOf(const LinkedTrace& trace, const Members& members) {
  uint64_t longest = 0;
  for (const uint32_t member : members) {
    longest = std::max(longest, trace.duration(member));
  }
  return longest;
}

std::vector<Group> GroupChildren(const LinkedTrace& trace, uint32_t parent) {
  using Key = std::tuple<std::string_view, std::string_view, std::string>;
  std::map<Key, Members> groups;
  const auto children = trace.children(parent);
  if (children.size() < kLeastEmbeddings) return {};
  for (const uint32_t child : children) {
    groups[{trace.service(child), trace.name(child),
            aggregate::NormaliseMessage(
                trace.Text(child, {"db.query.text", "db.statement"}))}]
        .push_back(child);
  }
  std::vector<Group> result;
  for (auto& [key, members] : groups) {
    result.push_back({std::string(std::get<0>(key)),
                      std::string(std::get<1>(key)), std::get<2>(key),
                      std::move(members)});
  }
  return result;
}

bool IsEmbedding(const LinkedTrace& trace, uint32_t i) {
  return trace.trait(i) == Trait::kAi &&
         (trace.Text(i, {"gen_ai.operation.name"}) == "embeddings" ||
          trace.name(i).find("embed") != std::string_view::npos);
}

std::string PeerOf(const LinkedTrace& trace, uint32_t i) {
  return std::string(trace.Text(
      i, {"server.address", "peer.service", "db.system.name", "db.system"}));
}

}  // namespace

void FindRepeatedQueries(const SlowCall& call, Findings* out) {
  const LinkedTrace& trace = call.trace;
  for (const uint32_t parent : call.below) {
    for (const Group& group : GroupChildren(trace, parent)) {
      const Members& members = group.members;
      const uint32_t first = members.front();
      const bool query = trace.trait(first) == Trait::kDatabase;
      if (members.size() < kLeastQueries || !InARow(trace, members) ||
          (!query && !IsOutgoing(trace.kind(first)))) {
        continue;
      }
      if (IsEmbedding(trace, first) || trace.failed(first)) continue;
      const uint64_t total = TotalOf(trace, members);
      Finding finding;
      finding.type = RecommendationType::kNPlusOne;
      finding.subject = group.statement.empty() ? group.name : group.statement;
      finding.saving_nanos =
          static_cast<double>(total - LongestOf(trace, members));
      finding.text = fmt::format(
          "{} {} times in a row below {}: ask for all of it at once{}.",
          group.name, members.size(), trace.name(parent),
          query ? " (IN, ANY or a join)" : "");
      finding.facts = {{"operation", group.name},
                       {"service", group.service},
                       {"repeats", fmt::format("{}", members.size())},
                       {"total", NanosText(static_cast<double>(total))}};
      if (!group.statement.empty()) {
        finding.facts.push_back({"statement", group.statement});
      }
      out->push_back(std::move(finding));
    }
  }
}

void FindUnbatchedEmbeddings(const SlowCall& call, Findings* out) {
  const LinkedTrace& trace = call.trace;
  for (const uint32_t parent : call.below) {
    for (const Group& group : GroupChildren(trace, parent)) {
      const Members& members = group.members;
      if (members.size() < kLeastEmbeddings || !InARow(trace, members) ||
          !IsEmbedding(trace, members.front())) {
        continue;
      }
      Finding finding;
      finding.type = RecommendationType::kUnbatchedEmbeddings;
      finding.subject = group.name;
      finding.saving_nanos = static_cast<double>(TotalOf(trace, members) -
                                                 LongestOf(trace, members));
      finding.text = fmt::format(
          "{} embeddings one after the other below {}: send the texts in one "
          "request.",
          members.size(), trace.name(parent));
      finding.facts = {{"operation", group.name},
                       {"repeats", fmt::format("{}", members.size())}};
      const std::string_view model =
          trace.Text(members.front(), {"gen_ai.request.model"});
      if (!model.empty())
        finding.facts.push_back({"model", std::string(model)});
      out->push_back(std::move(finding));
    }
  }
}

// Attempts at one thing end with the first that has no error.
void FindRetries(const SlowCall& call, Findings* out) {
  const LinkedTrace& trace = call.trace;
  for (const uint32_t parent : call.below) {
    for (const Group& group : GroupChildren(trace, parent)) {
      if (!IsOutgoing(trace.kind(group.members.front()))) continue;
      Members attempts;
      for (size_t n = 0; n < group.members.size(); ++n) {
        attempts.push_back(group.members[n]);
        const bool last = n + 1 == group.members.size();
        if (!last && trace.failed(group.members[n])) continue;
        if (attempts.size() >= kLeastAttempts) {
          const uint32_t final = attempts.back();
          Finding finding;
          finding.type = RecommendationType::kRetryStorm;
          finding.subject = group.name;
          finding.saving_nanos = static_cast<double>(
              trace.start(final) - trace.start(attempts.front()));
          finding.text = fmt::format(
              "{} was tried {} times{}: mend what fails first, and bound "
              "attempts and waits by the caller's deadline.",
              group.name, attempts.size(),
              trace.failed(final) ? " and failed every time" : "");
          finding.facts = {{"operation", group.name},
                           {"attempts", fmt::format("{}", attempts.size())},
                           {"target", PeerOf(trace, attempts.front())}};
          out->push_back(std::move(finding));
        }
        attempts.clear();
      }
    }
  }
}

// Nobody can see from outside whether one call needs the other's answer: half
// sure at most.
void FindSequentialCalls(const SlowCall& call, Findings* out) {
  const LinkedTrace& trace = call.trace;
  for (const uint32_t parent : call.below) {
    if (trace.service(parent) != trace.service(call.i)) continue;
    Members calls;
    std::map<std::string_view, size_t> names;
    for (const uint32_t child : trace.children(parent)) {
      if (!IsOutgoing(trace.kind(child)) || trace.failed(child)) continue;
      if (trace.trait(child) == Trait::kDatabase) continue;
      calls.push_back(child);
      ++names[trace.name(child)];
    }
    // The same name again and again is a loop: FindRepeatedQueries.
    if (names.size() < kLeastSequential || names.size() < calls.size() ||
        !InARow(trace, calls)) {
      continue;
    }
    const uint64_t total = TotalOf(trace, calls);
    const auto duration = static_cast<double>(call.duration());
    if (static_cast<double>(total) < kSequentialShare * duration) continue;
    bool close = true;
    for (size_t n = 1; n < calls.size(); ++n) {
      close &= static_cast<double>(trace.start(calls[n]) -
                                   trace.end(calls[n - 1])) <=
               kSequentialGap * duration;
    }
    if (!close) continue;
    Finding finding;
    finding.type = RecommendationType::kSequentialCalls;
    finding.subject = trace.name(parent);
    finding.certainty = 0.5;
    finding.saving_nanos = static_cast<double>(total - LongestOf(trace, calls));
    std::string list;
    for (const auto& [name, count] : names) {
      list += (list.empty() ? "" : ", ") + std::string(name);
    }
    finding.text = fmt::format(
        "{} calls follow each other below {} without a pause: start them at "
        "once if none needs another's answer.",
        calls.size(), trace.name(parent));
    finding.facts = {{"calls", list},
                     {"total", NanosText(static_cast<double>(total))}};
    out->push_back(std::move(finding));
  }
}

}  // namespace khtrace::analysis
