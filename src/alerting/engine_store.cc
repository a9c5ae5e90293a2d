// SPDX-License-Identifier: Apache-2.0
// The engine's memory: what it shows, forgets, and keeps on disk.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "alerting/engine.h"
#include "alerting/engine_metrics.h"
#include "alerting/notify_policy.h"
#include "base/log.h"

namespace khtrace::alerting {
namespace {

using std::chrono::nanoseconds;

// Instances of all rules of a tenant. Each takes about 1 KiB.
constexpr size_t kMaxAlerts = 10'000;
constexpr size_t kMaxHistory = 1000;
constexpr size_t kMaxSilences = 1000;
constexpr size_t kMaxMatchers = 20;
// The time of the last evaluation is written at least so often: from there on
// a restart evaluates again.
constexpr std::chrono::minutes kSaveEvery{1};
// An instance that nobody has heard of for so long: one that is fine is
// forgotten, one that fires is over.
constexpr std::chrono::hours kForgetAfter{1};
constexpr std::chrono::hours kGiveUpAfter{24};
// Alertmanager is told of ends for 15 minutes.
constexpr std::chrono::minutes kKeepResolved{20};

bool WorstFirst(const Alert& a, const Alert& b) {
  if (a.state.phase != b.state.phase) return a.state.phase > b.state.phase;
  return a.labels < b.labels;
}

// What a restart needs to know of it. Instances that are fine are found again
// by the next evaluation.
bool IsWorthKeeping(const Alert& alert, UnixNanos now) {
  return alert.state.phase != Phase::kOk || alert.notified != Phase::kOk ||
         (alert.state.resolved_at.ns != 0 &&
          now <= alert.state.resolved_at.Plus(kKeepResolved));
}

}  // namespace

Status Engine::Load() {
  if (fs_ == nullptr || !fs_->Exists(state_path_)) return {};
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(*fs_, state_path_));
  Result<EngineState> state = ParseState(bytes);
  if (state) {
    const UnixNanos now = clock_.Now();
    MutexLock lock(mu_);
    state_ = *std::move(state);
    CompileSilences();
    for (auto& [id, alert] : state_.alerts) {
      const Rule& rule = RuleOf(alert);
      const bool evaluated =
          rule.name == alert.rule && rule.enabled &&
          (rule.tenant.empty() || rule.tenant == alert.tenant);
      if (evaluated || alert.state.phase == Phase::kOk) continue;
      Resolve(alert, now, "the rule is no longer configured");
    }
    return {};
  }
  if (state.error().code == Code::kFailedPrecondition) {
    return std::move(state).error().With(state_path_);
  }
  const std::string aside = state_path_ + ".corrupt";
  log::Warning("{}: {}; it is now {}, and alerts begin anew", state_path_,
               state.error().message, aside);
  return fs_->Rename(state_path_, aside);
}

void Engine::CompileSilences() {
  std::vector<Silence> readable;
  for (Silence& silence : state_.silences) {
    auto compiled = MatcherSet::Compile(silence.matchers);
    if (!compiled) {
      log::Warning("{}: silence {} is left out: {}", state_path_, silence.id,
                   compiled.error().message);
      continue;
    }
    // Ids are never used twice, unless somebody wrote the file.
    if (!matchers_.emplace(silence.id, *std::move(compiled)).second) continue;
    readable.push_back(std::move(silence));
  }
  state_.silences = std::move(readable);
}

void Engine::Resolve(Alert& alert, UnixNanos now, const std::string& why) {
  const Phase from = alert.state.phase;
  alert.state.phase = Phase::kOk;
  alert.state.since = now;
  if (IsFiring(from)) alert.state.resolved_at = now;
  alert.last.reason = why;
  alert.acknowledged = false;
  Record(alert, from, now);
}

void Engine::Record(const Alert& alert, Phase from, UnixNanos now) {
  changed_ = true;
  const Phase to = alert.state.phase;
  // A threshold that was touched for less than `for` is no event.
  if (!IsFiring(from) && !IsFiring(to)) return;
  tell_alertmanagers_ = true;
  state_.history.push_back({.at = now,
                            .alert_id = alert.id,
                            .tenant = alert.tenant,
                            .rule = alert.rule,
                            .labels = alert.labels,
                            .from = from,
                            .to = to,
                            .value = alert.last.value,
                            .unit = alert.last.unit,
                            .count = alert.last.count,
                            .example = alert.last.example,
                            .reason = alert.last.reason});
  while (state_.history.size() > kMaxHistory) state_.history.pop_front();
}

void Engine::Forget(UnixNanos now) {
  MutexLock lock(mu_);
  for (auto& [id, alert] : state_.alerts) {
    if (IsFiring(alert.state.phase) && now > alert.seen_at.Plus(kGiveUpAfter)) {
      Resolve(alert, now, "no spans for a day");
    }
  }
  std::erase_if(state_.alerts, [now](const auto& entry) {
    const Alert& alert = entry.second;
    return !IsFiring(alert.state.phase) && alert.notified == Phase::kOk &&
           now > alert.seen_at.Plus(kForgetAfter);
  });
  while (!state_.history.empty() &&
         now > state_.history.front().at.Plus(options_.history)) {
    state_.history.pop_front();
    changed_ = true;
  }
  for (const Silence& silence : state_.silences) {
    if (now >= silence.end) matchers_.erase(silence.id);
  }
  if (std::erase_if(state_.silences, [now](const Silence& silence) {
        return now >= silence.end;
      }) != 0) {
    changed_ = true;
    tell_alertmanagers_ = true;
  }
}

void Engine::CountRoom(UnixNanos now) {
  rooms_.clear();
  MutexLock lock(mu_);
  for (const auto& [id, alert] : state_.alerts) {
    Room& room = rooms_[alert.tenant];
    ++room.instances;
    if (!IsWorthKeeping(alert, now)) room.fine.push_back(id);
  }
}

bool Engine::MakeRoom(const std::string& tenant, const std::string& id,
                      Phase phase) {
  Room& room = rooms_[tenant];
  if (room.instances < kMaxAlerts) {
    ++room.instances;
    if (phase == Phase::kOk) room.fine.push_back(id);
    return true;
  }
  // Nobody misses it: it is measured again in the next round.
  if (phase == Phase::kOk) return false;
  MutexLock lock(mu_);
  while (!room.fine.empty()) {
    const auto found = state_.alerts.find(room.fine.back());
    room.fine.pop_back();
    // It may have changed in this round.
    if (found == state_.alerts.end() ||
        found->second.state.phase != Phase::kOk) {
      continue;
    }
    state_.alerts.erase(found);
    return true;
  }
  metrics_->NoteTooMany();
  return false;
}

std::string Engine::StateText() const {
  EngineState kept;
  {
    const UnixNanos now = clock_.Now();
    MutexLock lock(mu_);
    kept.evaluated_at = state_.evaluated_at;
    kept.next_number = state_.next_number;
    for (const auto& [id, alert] : state_.alerts) {
      if (IsWorthKeeping(alert, now)) kept.alerts.emplace(id, alert);
    }
    kept.history = state_.history;
    kept.silences = state_.silences;
    kept.outbox = state_.outbox;
  }
  return FormatState(kept);
}

void Engine::SaveIfChanged(UnixNanos now) {
  {
    MutexLock lock(mu_);
    const bool changed = std::exchange(changed_, false);
    if (!changed && !IsDue(saved_at_, kSaveEvery, now)) return;
  }
  Save();
}

void Engine::Save() {
  if (fs_ == nullptr) return;
  MutexLock saving(save_mu_);
  const Status saved = WriteFileAtomically(*fs_, state_path_, StateText());
  const std::string error = saved ? "" : saved.error().message;
  bool is_new = false;
  {
    MutexLock lock(mu_);
    saved_at_ = clock_.Now();
    changed_ = changed_ || !saved;  // the next round tries again
    is_new = error != save_error_;
    save_error_ = error;
  }
  if (saved) return;
  metrics_->save_failures.Add();
  if (is_new) log::Warning("cannot save the state of alerts: {}", error);
}

void Engine::ShowHealth(bool working) {
  std::array<size_t, 4> counts{};
  std::string save_error;
  {
    MutexLock lock(mu_);
    for (const auto& [id, alert] : state_.alerts) {
      ++counts[static_cast<size_t>(alert.state.phase)];
    }
    save_error = save_error_;
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    metrics_->by_phase[i]->Set(static_cast<double>(counts[i]));
  }
  if (!save_error.empty()) {
    health_.SetFailing("alerting", std::move(save_error));
  } else if (!working) {
    health_.SetFailing("alerting", "no rule could be evaluated");
  } else {
    health_.SetOk("alerting");
  }
}

EngineCounts Engine::counts() const {
  EngineCounts counts;
  MutexLock lock(mu_);
  counts.last_round = last_round_;
  counts.evaluated_at = state_.evaluated_at;
  for (const auto& [id, alert] : state_.alerts) {
    if (IsFiring(alert.state.phase)) ++counts.alerts;
  }
  return counts;
}

std::vector<RuleStatus> Engine::Rules(const std::string& tenant) const {
  std::vector<RuleStatus> rules;
  MutexLock lock(mu_);
  for (const Rule& rule : options_.rules) {
    if (!rule.tenant.empty() && rule.tenant != tenant) continue;
    RuleStatus& status = rules.emplace_back();
    status.rule = rule;
    if (const auto run = runs_.find({tenant, rule.name}); run != runs_.end()) {
      status.evaluated_at = run->second.evaluated_at;
      status.took = run->second.took;
      status.error = run->second.error;
    }
    for (const auto& [id, alert] : state_.alerts) {
      if (alert.tenant != tenant || alert.rule != rule.name) continue;
      status.phase = std::max(status.phase, alert.state.phase);
      status.alerts.push_back(alert);
    }
    std::sort(status.alerts.begin(), status.alerts.end(), WorstFirst);
  }
  return rules;
}

std::vector<ActiveAlert> Engine::Active(const std::string& tenant) const {
  const UnixNanos now = clock_.Now();
  std::vector<ActiveAlert> active;
  MutexLock lock(mu_);
  for (const auto& [id, alert] : state_.alerts) {
    if (alert.tenant != tenant || alert.state.phase == Phase::kOk) continue;
    const Silence* silence = SilenceOf(alert, now);
    active.push_back(
        {.alert = alert,
         .labels = RuleLabels(RuleOf(alert), alert, alert.state.phase),
         .silenced_by = silence == nullptr ? "" : silence->id});
  }
  std::sort(active.begin(), active.end(),
            [](const ActiveAlert& a, const ActiveAlert& b) {
              return WorstFirst(a.alert, b.alert);
            });
  return active;
}

std::vector<Event> Engine::History(const std::string& tenant,
                                   size_t limit) const {
  std::vector<Event> events;
  MutexLock lock(mu_);
  for (auto event = state_.history.rbegin();
       event != state_.history.rend() && events.size() < limit; ++event) {
    if (event->tenant == tenant) events.push_back(*event);
  }
  return events;
}

std::vector<Silence> Engine::Silences(const std::string& tenant) const {
  std::vector<Silence> silences;
  MutexLock lock(mu_);
  for (const Silence& silence : state_.silences) {
    if (silence.tenant == tenant) silences.push_back(silence);
  }
  return silences;
}

Result<std::string> Engine::AddSilence(Silence silence) {
  const UnixNanos now = clock_.Now();
  if (silence.start.ns == 0) silence.start = now;
  if (silence.end <= now || silence.end <= silence.start) {
    return Error{Code::kInvalidArgument,
                 "end: the end of a silence must lie in the future and behind "
                 "its start"};
  }
  if (silence.matchers.size() > kMaxMatchers) {
    return Error{Code::kInvalidArgument,
                 fmt::format("matchers: {}; {} are the most",
                             silence.matchers.size(), kMaxMatchers)};
  }
  ASSIGN_OR_RETURN(MatcherSet matchers, MatcherSet::Compile(silence.matchers));
  std::string id;
  {
    MutexLock lock(mu_);
    if (state_.silences.size() >= kMaxSilences) {
      return Error{
          Code::kResourceExhausted,
          fmt::format("{} silences are there; end some first", kMaxSilences)};
    }
    id = fmt::format("s{}", state_.next_number++);
    silence.id = id;
    matchers_.emplace(id, std::move(matchers));
    state_.silences.push_back(std::move(silence));
  }
  Save();
  return id;
}

Status Engine::EndSilence(const std::string& tenant, const std::string& id) {
  {
    MutexLock lock(mu_);
    if (std::erase_if(state_.silences, [&](const Silence& silence) {
          return silence.tenant == tenant && silence.id == id;
        }) == 0) {
      return Error{Code::kNotFound, fmt::format("no silence '{}'", id)};
    }
    matchers_.erase(id);
    tell_alertmanagers_ = true;
  }
  Save();
  return {};
}

Result<Alert> Engine::Acknowledge(const std::string& tenant,
                                  const std::string& id, const std::string& by,
                                  const std::string& comment) {
  Alert told;
  {
    MutexLock lock(mu_);
    const auto found = state_.alerts.find(id);
    if (found == state_.alerts.end() || found->second.tenant != tenant) {
      return Error{Code::kNotFound, fmt::format("no alert '{}'", id)};
    }
    Alert& alert = found->second;
    if (!IsFiring(alert.state.phase)) {
      return Error{Code::kFailedPrecondition,
                   fmt::format("alert '{}' does not fire; it is {}", id,
                               PhaseName(alert.state.phase))};
    }
    alert.acknowledged = true;
    alert.acknowledged_by = by;
    alert.comment = comment;
    alert.acknowledged_at = clock_.Now();
    told = alert;
  }
  Save();
  return told;
}

}  // namespace khtrace::alerting
