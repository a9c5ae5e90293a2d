// SPDX-License-Identifier: Apache-2.0
#include "alerting/delivery_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace khtrace::alerting {
namespace {

using std::chrono::nanoseconds;

// Until Wake().
constexpr std::chrono::minutes kIdle{10};
// Of an answer, for messages to people.
constexpr size_t kAnswerShown = 200;

net::HttpClientOptions ClientOptions(const DeliveryQueue::Options& options) {
  net::HttpClientOptions client;
  client.host = options.address.host;
  client.port = options.address.port;
  const auto timeout =
      std::chrono::ceil<std::chrono::milliseconds>(options.timeout);
  client.connect_timeout = timeout;
  client.request_timeout = timeout;
  client.max_response_bytes = 1u << 20;
  client.headers = {{"User-Agent", "khtrace"}};
  if (!options.bearer.empty()) {
    client.headers.Add("Authorization", "Bearer " + options.bearer.Reveal());
  }
  return client;
}

// 408 and 429 ask to come again.
bool IsRefusal(int status) {
  return status >= 400 && status < 500 && status != 408 && status != 429;
}

}  // namespace

std::string_view OutcomeName(Outcome outcome) {
  constexpr std::string_view kNames[] = {"delivered", "retried", "refused",
                                         "dropped"};
  return kNames[static_cast<size_t>(outcome)];
}

DeliveryQueue::DeliveryQueue(Options options, const Clock& clock, Done done)
    : options_(std::move(options)),
      clock_(clock),
      done_(std::move(done)),
      client_(ClientOptions(options_)),
      thread_("notify", [this] { return Work(); }) {}

DeliveryQueue::~DeliveryQueue() = default;

void DeliveryQueue::PushOrDropOldest(OutMessage message) {
  std::optional<OutMessage> dropped;
  {
    MutexLock lock(mu_);
    if (options_.newest_only) messages_.clear();
    messages_.push_back(std::move(message));
    if (messages_.size() > options_.max_messages) {
      dropped = std::move(messages_.front());
      messages_.pop_front();
    }
  }
  thread_.Wake();
  if (dropped) done_(*dropped, Outcome::kDropped);
}

size_t DeliveryQueue::waiting() const {
  MutexLock lock(mu_);
  return messages_.size();
}

std::string DeliveryQueue::last_error(const std::string& tenant) const {
  MutexLock lock(mu_);
  const auto found = errors_.find(tenant);
  return found == errors_.end() ? "" : found->second;
}

nanoseconds DeliveryQueue::Work() {
  OutMessage message;
  if (const auto wait = Next(&message)) return *wait;
  std::string error;
  Outcome outcome = Outcome::kDropped;
  if (clock_.Now() > message.created_at.Plus(options_.max_age)) {
    error = "it waited too long";
  } else {
    outcome = Send(message, &error);
  }
  Settle(message, outcome, std::move(error));
  return nanoseconds(0);
}

std::optional<nanoseconds> DeliveryQueue::Next(OutMessage* front) {
  MutexLock lock(mu_);
  if (messages_.empty()) return kIdle;
  const nanoseconds now = clock_.Monotonic();
  if (retry_.count() != 0 && now < not_before_) return not_before_ - now;
  *front = messages_.front();
  return std::nullopt;
}

Outcome DeliveryQueue::Send(const OutMessage& message, std::string* error) {
  const Result<net::HttpResponse> answer =
      client_.Post(options_.address.target, message.body, "application/json");
  if (!answer) {
    *error = answer.error().message;
    client_.Close();
    return Outcome::kRetried;
  }
  if (answer->status >= 200 && answer->status < 300) return Outcome::kDelivered;
  *error = fmt::format("status {}: {}", answer->status,
                       answer->body.substr(0, kAnswerShown));
  return IsRefusal(answer->status) ? Outcome::kRefused : Outcome::kRetried;
}

void DeliveryQueue::Settle(const OutMessage& message, Outcome outcome,
                           std::string error) {
  bool first_failure = false;
  {
    MutexLock lock(mu_);
    first_failure = !failing_ && !error.empty();
    failing_ = !error.empty();
    for (const std::string& tenant : message.tenants) {
      if (error.empty()) {
        errors_.erase(tenant);
      } else {
        errors_[tenant] = error;
      }
    }
    if (outcome == Outcome::kRetried) {
      retry_ = retry_.count() == 0 ? options_.first_retry
                                   : std::min(retry_ * 2, options_.last_retry);
      not_before_ = clock_.Monotonic() + retry_;
    } else {
      retry_ = nanoseconds(0);
      // It may have been dropped or replaced meanwhile.
      if (!messages_.empty() && messages_.front().id == message.id) {
        messages_.pop_front();
      }
    }
  }
  if (first_failure || outcome == Outcome::kRefused ||
      outcome == Outcome::kDropped) {
    log::Warning("cannot notify receiver '{}' ({}): {}", options_.name,
                 OutcomeName(outcome), error);
  }
  done_(message, outcome);
}

}  // namespace khtrace::alerting
