// SPDX-License-Identifier: Apache-2.0
// The engine's way out: whom to tell what, and when.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "alerting/engine.h"
#include "alerting/engine_metrics.h"
#include "alerting/message.h"
#include "alerting/notify_policy.h"
#include "base/log.h"

namespace khtrace::alerting {
namespace {

// Alertmanager takes an alert for over when it is not sent again: Prometheus
// sends every minute and lets four be missed.
constexpr std::chrono::minutes kResend{1};
constexpr int kMissedResends = 4;

bool Wants(const Rule& rule, const Receiver& receiver) {
  return rule.receivers.empty() ||
         std::find(rule.receivers.begin(), rule.receivers.end(),
                   receiver.name) != rule.receivers.end();
}

}  // namespace

void Engine::OpenReceivers() {
  std::deque<OutMessage> outbox;
  {
    MutexLock lock(mu_);
    // A receiver that is no longer configured is owed nothing.
    std::erase_if(state_.outbox, [this](const OutMessage& message) {
      return std::none_of(
          options_.receivers.begin(), options_.receivers.end(),
          [&](const Receiver& r) { return r.name == message.receiver; });
    });
    // Ids of messages begin with that of the alert.
    for (OutMessage& message : state_.outbox) {
      const auto alert =
          state_.alerts.find(message.id.substr(0, message.id.find('-')));
      if (alert != state_.alerts.end()) {
        message.tenants = {alert->second.tenant};
      }
    }
    outbox = state_.outbox;
  }
  for (const Receiver& receiver : options_.receivers) {
    const Result<HttpAddress> address = ParseHttpUrl(receiver.url);
    KHTRACE_CHECK(address.has_value());  // Validate() has seen it
    DeliveryQueue::Options queue;
    queue.name = receiver.name;
    queue.address = *address;
    queue.bearer = receiver.bearer;
    queue.timeout = receiver.timeout;
    const bool kept = receiver.kind == ReceiverKind::kWebhook;
    queue.newest_only = !kept;
    if (!kept) {
      while (queue.address.target.ends_with('/')) {
        queue.address.target.pop_back();
      }
      if (!queue.address.target.ends_with("/api/v2/alerts")) {
        queue.address.target += "/api/v2/alerts";
      }
    }
    queues_[receiver.name] = std::make_unique<DeliveryQueue>(
        std::move(queue), clock_,
        [this, kept](const OutMessage& message, Outcome outcome) {
          Delivered(message, outcome, kept);
        });
  }
  for (OutMessage& message : outbox) {
    DeliveryQueue& queue = *queues_.at(message.receiver);
    queue.PushOrDropOldest(std::move(message));
  }
}

const Rule& Engine::RuleOf(const Alert& alert) const {
  static const Rule kGone = [] {
    Rule rule;
    rule.name = "(removed rule)";
    return rule;
  }();
  const auto found =
      std::find_if(options_.rules.begin(), options_.rules.end(),
                   [&](const Rule& rule) { return rule.name == alert.rule; });
  return found == options_.rules.end() ? kGone : *found;
}

const Silence* Engine::SilenceOf(const Alert& alert, UnixNanos now) const {
  std::optional<Labels> labels;  // made for the first silence that may fit
  for (const Silence& silence : state_.silences) {
    if (silence.tenant != alert.tenant || now < silence.start ||
        now >= silence.end) {
      continue;
    }
    if (!labels) labels = RuleLabels(RuleOf(alert), alert, alert.state.phase);
    if (matchers_.at(silence.id).Fits(*labels)) return &silence;
  }
  return nullptr;
}

void Engine::Notify(UnixNanos now) {
  std::vector<OutMessage> messages;
  {
    MutexLock lock(mu_);
    for (auto& [id, alert] : state_.alerts) NotifyOf(alert, now, &messages);
    for (const OutMessage& message : messages) {
      state_.outbox.push_back(message);
    }
    changed_ = changed_ || !messages.empty();
  }
  // First on disk, then on the way: whatever happens, no alert is told of as
  // if it were a new one.
  SaveIfChanged(now);
  for (OutMessage& message : messages) {
    DeliveryQueue& queue = *queues_.at(message.receiver);
    queue.PushOrDropOldest(std::move(message));
  }
  NotifyAlertmanagers(now);
}

void Engine::NotifyOf(Alert& alert, UnixNanos now,
                      std::vector<OutMessage>* out) {
  // Of what is well and was well nobody is told; silences cost.
  if (WhatToTell(alert, false, options_.repeat, now) == Tell::kNothing) return;
  const bool silenced = SilenceOf(alert, now) != nullptr;
  const Tell tell = WhatToTell(alert, silenced, options_.repeat, now);
  if (tell == Tell::kNothing) return;
  const Rule& rule = RuleOf(alert);
  Notice notice;
  notice.rule = &rule;
  notice.alert = &alert;
  notice.phase = tell == Tell::kResolved ? Phase::kOk : alert.state.phase;
  notice.previous = alert.notified;
  notice.at = now;
  notice.base_url = options_.base_url;
  for (const Receiver& receiver : options_.receivers) {
    if (receiver.kind != ReceiverKind::kWebhook || !Wants(rule, receiver)) {
      continue;
    }
    if (tell == Tell::kResolved && !receiver.resolved) continue;
    notice.id = fmt::format("{}-{}", alert.id, state_.next_number++);
    out->push_back({.id = notice.id,
                    .receiver = receiver.name,
                    .body = receiver.format == WebhookFormat::kSlack
                                ? SlackJson(notice)
                                : WebhookJson(notice),
                    .created_at = now,
                    .tenants = {alert.tenant}});
  }
  alert.notified = notice.phase;
  alert.notified_at = now;
  changed_ = true;
}

void Engine::NotifyAlertmanagers(UnixNanos now) {
  std::vector<OutMessage> messages;
  {
    MutexLock lock(mu_);
    const bool due = IsDue(told_alertmanagers_at_, kResend, now);
    if (!tell_alertmanagers_ && !due) return;
    tell_alertmanagers_ = false;
    const UnixNanos valid_until =
        now.Plus(kMissedResends * std::max<std::chrono::nanoseconds>(
                                      kResend, options_.interval));
    for (const Receiver& receiver : options_.receivers) {
      if (receiver.kind != ReceiverKind::kAlertmanager) continue;
      std::vector<AlertmanagerEntry> entries;
      std::set<std::string> tenants;
      for (const auto& [id, alert] : state_.alerts) {
        const Rule& rule = RuleOf(alert);
        if (ConcernsAlertmanager(alert, now) && Wants(rule, receiver) &&
            SilenceOf(alert, now) == nullptr) {
          entries.push_back({&rule, &alert});
          tenants.insert(alert.tenant);
        }
      }
      if (entries.empty()) continue;
      messages.push_back(
          {.id = fmt::format("{}-{}", receiver.name, state_.next_number++),
           .receiver = receiver.name,
           .body =
               AlertmanagerJson(entries, now, valid_until, options_.base_url),
           .created_at = now,
           .tenants = std::move(tenants)});
    }
  }
  told_alertmanagers_at_ = now;
  for (OutMessage& message : messages) {
    DeliveryQueue& queue = *queues_.at(message.receiver);
    queue.PushOrDropOldest(std::move(message));
  }
}

void Engine::Delivered(const OutMessage& message, Outcome outcome, bool kept) {
  registry_
      .AddCounter("khtrace_alert_notifications_total",
                  "Attempts to notify receivers by what came of them",
                  {{"receiver", message.receiver},
                   {"outcome", std::string(OutcomeName(outcome))}})
      .Add();
  if (!kept || outcome == Outcome::kRetried) return;
  {
    MutexLock lock(mu_);
    std::erase_if(state_.outbox, [&](const OutMessage& waiting) {
      return waiting.id == message.id;
    });
  }
  Save();
}

std::vector<ReceiverStatus> Engine::Receivers(const std::string& tenant) const {
  std::vector<ReceiverStatus> all;
  for (const auto& [name, queue] : queues_) {
    all.push_back({.name = name,
                   .waiting = queue->waiting(),
                   .last_error = queue->last_error(tenant)});
  }
  return all;
}

}  // namespace khtrace::alerting
