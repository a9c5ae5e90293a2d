// SPDX-License-Identifier: Apache-2.0
#include "alerting/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "alerting/engine_metrics.h"
#include "base/log.h"
#include "base/text.h"

namespace khtrace::alerting {
namespace {

using std::chrono::nanoseconds;

// Rounds that are made up for: at the default interval 30 minutes, longer than
// the windows of most rules. What came in before the stop is behind that.
constexpr size_t kMaxMissedRounds = 60;
// Alerts of a round that are described with a recommendation and an example,
// which reads traces: some 50 ms each. Those beyond it are told without.
constexpr int kMaxDescribed = 20;
// Of the time between two evaluations so much counts for timers, or two
// intervals: some rounds may run out of time, but who stood still for longer
// does not know what was meanwhile.
constexpr std::chrono::minutes kLongestGap{5};

Measurement NotMeasured(Labels labels) {
  Measurement m;
  m.labels = std::move(labels);
  m.no_data = "no_spans";
  return m;
}

// Texts become part of the state's JSON and of ids.
void Sanitize(Labels* labels) {
  for (auto& [name, value] : *labels) {
    name = SanitizeUtf8(name);
    value = SanitizeUtf8(value);
  }
  std::sort(labels->begin(), labels->end());
}

}  // namespace

Engine::Engine(AlertingOptions options, const Deps& deps)
    : options_(std::move(options)),
      source_(deps.source),
      clock_(deps.clock),
      registry_(deps.registry),
      health_(deps.health),
      fs_(deps.fs),
      state_path_(deps.state_path),
      metrics_(std::make_unique<Metrics>(deps.registry)) {}

Engine::~Engine() { Stop(); }

Result<std::unique_ptr<Engine>> Engine::Open(AlertingOptions options,
                                             const Deps& deps) {
  std::unique_ptr<Engine> engine(new Engine(std::move(options), deps));
  RETURN_IF_ERROR(engine->Load());
  engine->OpenReceivers();
  engine->health_.SetOk("alerting");
  return engine;
}

void Engine::Start() {
  thread_ = std::make_unique<PeriodicThread>("alerting", [this] {
    const nanoseconds began = clock_.Monotonic();
    Round();
    // A round that takes longer than the interval leaves time for others.
    return std::max(options_.interval - (clock_.Monotonic() - began),
                    options_.interval / 4);
  });
}

void Engine::Stop() {
  stop_.request_stop();
  thread_.reset();
  queues_.clear();
  if (fs_ != nullptr) Save();
}

void Engine::Round() {
  const UnixNanos now = clock_.Now();
  for (const UnixNanos missed : Missed(now)) {
    if (stop_.stop_requested()) return;
    EvaluateAt(missed);
  }
  EvaluateAt(now);
}

std::vector<UnixNanos> Engine::Missed(UnixNanos now) {
  UnixNanos at;
  {
    MutexLock lock(mu_);
    at = state_.evaluated_at;
  }
  std::vector<UnixNanos> missed;
  if (at.ns == 0 || at > now) return missed;
  // A late thread is not a gap.
  if (now <= at.Plus(2 * options_.interval)) return missed;
  at = at.Plus(options_.interval);
  while (at < now && missed.size() < kMaxMissedRounds) {
    missed.push_back(at);
    at = at.Plus(options_.interval);
  }
  return missed;
}

void Engine::EvaluateAt(UnixNanos now) {
  struct Job {
    std::string tenant;
    const Rule* rule;
  };
  std::vector<Job> jobs;
  const std::vector<std::string> tenants = source_.Tenants();
  for (const Rule& rule : options_.rules) {
    if (!rule.enabled) continue;
    for (const std::string& tenant : tenants) {
      if (rule.tenant.empty() || rule.tenant == tenant) {
        jobs.push_back({tenant, &rule});
      }
    }
  }
  const nanoseconds began = clock_.Monotonic();
  RequestContext context;
  context.deadline = began + options_.round_timeout;
  context.stop = stop_.get_token();
  context.clock = &clock_;
  described_ = 0;
  CountRoom(now);
  size_t failures = 0;
  size_t done = 0;
  for (; done < jobs.size() && context.Check(); ++done) {
    const Job& job = jobs[(first_job_ + done) % jobs.size()];
    context.tenant = job.tenant;
    if (!EvaluateRule(context, *job.rule, now)) ++failures;
  }
  source_.EndRound();
  if (stop_.stop_requested()) return;
  // Whoever was not reached comes first next time.
  first_job_ = jobs.empty() ? 0 : (first_job_ + done) % jobs.size();
  for (size_t i = 0; i + done < jobs.size(); ++i) {
    const Job& job = jobs[(first_job_ + i) % jobs.size()];
    NoteRun(job.tenant, *job.rule,
            {.evaluated_at = now,
             .took = nanoseconds(0),
             .error = fmt::format("not reached within {} for all rules",
                                  FormatGoDuration(options_.round_timeout))});
    ++failures;
  }
  metrics_->NoteRound(clock_.Monotonic() - began);
  {
    MutexLock lock(mu_);
    state_.evaluated_at = now;
    last_round_ = clock_.Monotonic() - began;
  }
  Forget(now);
  Notify(now);
  SaveIfChanged(now);
  ShowHealth(jobs.empty() || failures < jobs.size());
}

bool Engine::EvaluateRule(const RequestContext& context, const Rule& rule,
                          UnixNanos now) {
  const nanoseconds began = clock_.Monotonic();
  auto measurements = source_.Measure(context, rule, now);
  RuleRun run{.evaluated_at = now,
              .took = clock_.Monotonic() - began,
              .error = measurements ? "" : measurements.error().message};
  const bool ok = measurements.has_value();
  NoteRun(context.tenant, rule, std::move(run));
  if (!ok) return false;
  std::set<std::string> measured;
  for (Measurement& m : *measurements) {
    Sanitize(&m.labels);
    measured.insert(AlertId(context.tenant, rule.name, m.labels));
    Apply(context, rule, std::move(m), /*seen=*/true, now);
  }
  for (Unseen& unseen : Unmeasured(context.tenant, rule, measured)) {
    std::optional<Measurement> missing;
    if (!unseen.ok) {
      missing = source_.MeasureMissing(context, rule, now, unseen.labels);
    }
    Apply(context, rule,
          missing ? *std::move(missing) : NotMeasured(std::move(unseen.labels)),
          /*seen=*/false, now);
  }
  return true;
}

void Engine::NoteRun(const std::string& tenant, const Rule& rule, RuleRun run) {
  metrics_->NoteEvaluation(run.error.empty());
  MutexLock lock(mu_);
  RuleRun& kept = runs_[{tenant, rule.name}];
  if (!run.error.empty() && run.error != kept.error) {
    log::Warning("cannot evaluate alert rule '{}' of tenant '{}': {}",
                 rule.name, tenant, run.error);
  }
  kept = std::move(run);
}

std::vector<Engine::Unseen> Engine::Unmeasured(
    const std::string& tenant, const Rule& rule,
    const std::set<std::string>& measured) const {
  std::vector<Unseen> unseen;
  MutexLock lock(mu_);
  for (const auto& [id, alert] : state_.alerts) {
    if (alert.tenant == tenant && alert.rule == rule.name &&
        !measured.contains(id)) {
      unseen.push_back(
          {.labels = alert.labels, .ok = alert.state.phase == Phase::kOk});
    }
  }
  return unseen;
}

void Engine::Apply(const RequestContext& context, const Rule& rule,
                   Measurement measurement, bool seen, UnixNanos now) {
  const std::string id = AlertId(context.tenant, rule.name, measurement.labels);
  AlertState before;
  bool known = false;
  {
    MutexLock lock(mu_);
    const auto found = state_.alerts.find(id);
    known = found != state_.alerts.end();
    if (known) before = found->second.state;
  }
  const AlertState after =
      Step(before, measurement, now, rule,
           std::max<nanoseconds>(kLongestGap, 2 * options_.interval));
  if (!known && !MakeRoom(context.tenant, id, after.phase)) return;
  const bool has_value = after.no_data.empty();
  // Without a lock: it reads traces. Only this thread changes states.
  const bool rose = IsFiring(after.phase) && after.phase > before.phase;
  if (rose && described_++ < kMaxDescribed) {
    source_.Describe(context, rule, now, &measurement);
  }

  MutexLock lock(mu_);
  Alert& alert = state_.alerts[id];
  if (alert.id.empty()) {
    alert.id = id;
    alert.tenant = context.tenant;
    alert.rule = rule.name;
    alert.labels = measurement.labels;
  }
  alert.state = after;
  if (seen) alert.seen_at = now;
  if (has_value) {
    // What was said when it rose stays until it is over.
    if (!rose && IsFiring(after.phase)) {
      if (measurement.example.empty()) {
        measurement.example = alert.last.example;
      }
      if (measurement.recommendation.empty()) {
        measurement.recommendation = alert.last.recommendation;
      }
    }
    alert.last = std::move(measurement);
  }
  if (after.phase == before.phase) return;
  if (after.phase > before.phase || !IsFiring(after.phase)) {
    alert.acknowledged = false;
  }
  Record(alert, before.phase, now);
}

}  // namespace khtrace::alerting
