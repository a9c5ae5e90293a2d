// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "alerting/delivery_queue.h"
#include "alerting/engine_state.h"
#include "alerting/measurement.h"
#include "alerting/options.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/fs.h"
#include "base/mutex.h"
#include "telemetry/health.h"
#include "telemetry/metrics.h"

namespace khtrace::alerting {

// How a rule fares for a tenant.
struct RuleStatus {
  Rule rule;
  Phase phase = Phase::kOk;  // the worst of its instances
  UnixNanos evaluated_at;    // 0: not yet
  std::chrono::nanoseconds took{};
  std::string error;          // why it could not be evaluated; "" if it could
  std::vector<Alert> alerts;  // instances, worst first
};

struct ActiveAlert {
  Alert alert;  // pending or firing
  Labels labels;
  std::string silenced_by;  // id of the silence; ""
};

struct ReceiverStatus {
  std::string name;
  size_t waiting = 0;      // of all tenants
  std::string last_error;  // of the tenant's last delivery; "" if it worked
};

struct EngineCounts {
  std::chrono::nanoseconds last_round{};  // how long it took
  UnixNanos evaluated_at;
  size_t alerts = 0;  // firing, of all tenants
};

// Evaluates rules on a clock, remembers, and tells receivers. For each tenant
// that has data, or the one that a rule names. Thread-safe; the evaluation
// itself runs on one thread.
//
// State is written to `state_path` before anybody is told: after a crash the
// same message may come a second time (with the same id), an alert does not
// fire a second time. What was missed while the engine stood still is evaluated
// first, as of then.
class Engine {
 public:
  // All outlive the engine.
  struct Deps {
    MeasureSource& source;
    const Clock& clock;
    telemetry::Registry& registry;
    telemetry::Health& health;
    Fs* fs = nullptr;  // nullptr: nothing is remembered over a restart
    std::string state_path{};
  };

  // Reads the state. A damaged file is renamed to "….corrupt", said, and
  // evaluation starts anew; kFailedPrecondition: one of a newer version.
  static Result<std::unique_ptr<Engine>> Open(AlertingOptions options,
                                              const Deps& deps);
  // As Stop().
  ~Engine();

  // Evaluates every options.interval from now on.
  void Start();
  // Ends a running evaluation and waits for it. Messages that were not taken
  // stay in the file.
  void Stop();
  // One evaluation now, on this thread: for tests; not beside Start().
  void EvaluateForTesting() { Round(); }

  const AlertingOptions& options() const { return options_; }
  MeasureSource& source() const { return source_; }
  EngineCounts counts() const KHTRACE_EXCLUDES(mu_);

  std::vector<RuleStatus> Rules(const std::string& tenant) const
      KHTRACE_EXCLUDES(mu_);
  std::vector<ActiveAlert> Active(const std::string& tenant) const
      KHTRACE_EXCLUDES(mu_);
  // Newest first.
  std::vector<Event> History(const std::string& tenant, size_t limit) const
      KHTRACE_EXCLUDES(mu_);
  std::vector<Silence> Silences(const std::string& tenant) const
      KHTRACE_EXCLUDES(mu_);
  // What they told of deliveries that were of the tenant's alerts.
  std::vector<ReceiverStatus> Receivers(const std::string& tenant) const;

  // `silence.id` is made here and returned. kInvalidArgument: no matcher, a
  // regex that cannot be read, an end that is over or not after its start;
  // kResourceExhausted: 1000 silences are there.
  Result<std::string> AddSilence(Silence silence) KHTRACE_EXCLUDES(mu_);
  // kNotFound.
  Status EndSilence(const std::string& tenant, const std::string& id)
      KHTRACE_EXCLUDES(mu_);
  // No reminders until it gets worse or ends. kNotFound: no such alert;
  // kFailedPrecondition: it does not fire.
  Result<Alert> Acknowledge(const std::string& tenant, const std::string& id,
                            const std::string& by, const std::string& comment)
      KHTRACE_EXCLUDES(mu_);

 private:
  struct RuleRun {
    UnixNanos evaluated_at;
    std::chrono::nanoseconds took{};
    std::string error;
  };
  struct Metrics;

  Engine(AlertingOptions options, const Deps& deps);
  Status Load();
  void OpenReceivers();

  void Round() KHTRACE_EXCLUDES(mu_);
  // Moments at which nothing was evaluated and should have been.
  std::vector<UnixNanos> Missed(UnixNanos now) KHTRACE_EXCLUDES(mu_);
  void EvaluateAt(UnixNanos now) KHTRACE_EXCLUDES(mu_);
  // False if it failed.
  bool EvaluateRule(const RequestContext& context, const Rule& rule,
                    UnixNanos now) KHTRACE_EXCLUDES(mu_);
  void Apply(const RequestContext& context, const Rule& rule,
             Measurement measurement, bool seen, UnixNanos now)
      KHTRACE_EXCLUDES(mu_);
  void NoteRun(const std::string& tenant, const Rule& rule, RuleRun run)
      KHTRACE_EXCLUDES(mu_);
  // Instances of the rule that were not measured this time.
  struct Unseen {
    Labels labels;
    bool ok = false;
  };
  std::vector<Unseen> Unmeasured(const std::string& tenant, const Rule& rule,
                                 const std::set<std::string>& measured) const
      KHTRACE_EXCLUDES(mu_);
  // Counts the instances of tenants anew, before a round.
  void CountRoom(UnixNanos now) KHTRACE_EXCLUDES(mu_);
  // Whether one more of the tenant may be kept, in `phase`. Where there are
  // too many, one that is fine gives way to one that is not.
  bool MakeRoom(const std::string& tenant, const std::string& id, Phase phase)
      KHTRACE_EXCLUDES(mu_);
  void Record(const Alert& alert, Phase from, UnixNanos now)
      KHTRACE_REQUIRES(mu_);
  // Drops what is old: instances, events, silences.
  void Forget(UnixNanos now) KHTRACE_EXCLUDES(mu_);
  void Resolve(Alert& alert, UnixNanos now, const std::string& why)
      KHTRACE_REQUIRES(mu_);

  void Notify(UnixNanos now) KHTRACE_EXCLUDES(mu_);
  void NotifyOf(Alert& alert, UnixNanos now, std::vector<OutMessage>* out)
      KHTRACE_REQUIRES(mu_);
  void NotifyAlertmanagers(UnixNanos now) KHTRACE_EXCLUDES(mu_);
  void Delivered(const OutMessage& message, Outcome outcome, bool kept)
      KHTRACE_EXCLUDES(mu_);
  const Rule& RuleOf(const Alert& alert) const;
  const Silence* SilenceOf(const Alert& alert, UnixNanos now) const
      KHTRACE_REQUIRES(mu_);
  void CompileSilences() KHTRACE_REQUIRES(mu_);

  void Save() KHTRACE_EXCLUDES(mu_, save_mu_);
  void SaveIfChanged(UnixNanos now) KHTRACE_EXCLUDES(mu_, save_mu_);
  std::string StateText() const KHTRACE_EXCLUDES(mu_);
  // `working`: at least one rule could be evaluated, or there is none.
  void ShowHealth(bool working) KHTRACE_EXCLUDES(mu_);

  const AlertingOptions options_;
  MeasureSource& source_;
  const Clock& clock_;
  telemetry::Registry& registry_;
  telemetry::Health& health_;
  Fs* const fs_;
  const std::string state_path_;
  const std::unique_ptr<Metrics> metrics_;
  std::stop_source stop_;

  mutable Mutex mu_;
  EngineState state_ KHTRACE_GUARDED_BY(mu_);
  std::map<std::pair<std::string, std::string>, RuleRun> runs_
      KHTRACE_GUARDED_BY(mu_);  // by tenant and rule
  // Of state_.silences, by id: compiled once, asked for every told alert.
  std::map<std::string, MatcherSet> matchers_ KHTRACE_GUARDED_BY(mu_);
  bool changed_ KHTRACE_GUARDED_BY(mu_) = false;
  bool tell_alertmanagers_ KHTRACE_GUARDED_BY(mu_) = true;
  std::chrono::nanoseconds last_round_ KHTRACE_GUARDED_BY(mu_){};
  UnixNanos saved_at_ KHTRACE_GUARDED_BY(mu_);
  std::string save_error_ KHTRACE_GUARDED_BY(mu_);
  // Orders writers of the file, so it is held while they write: a later state
  // must not be overwritten by an earlier one. Taken before mu_.
  Mutex save_mu_;

  // Of the evaluating thread.
  size_t first_job_ = 0;
  int described_ = 0;  // alerts of this round
  struct Room {
    size_t instances = 0;
    std::vector<std::string> fine;  // ids of those that may give way
  };
  std::map<std::string, Room> rooms_;  // by tenant; of this round
  UnixNanos told_alertmanagers_at_;

  std::map<std::string, std::unique_ptr<DeliveryQueue>> queues_;
  std::unique_ptr<PeriodicThread> thread_;
};

}  // namespace khtrace::alerting
