// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "alerting/engine_state.h"
#include "alerting/options.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/mutex.h"
#include "net/http_client.h"

namespace khtrace::alerting {

enum class Outcome : uint8_t {
  kDelivered,
  kRetried,  // failed, and is tried again
  kRefused,  // a 4xx answer: it would be refused again
  kDropped,  // too many wait, or it waited too long
};
std::string_view OutcomeName(Outcome outcome);  // "delivered"

// The way to one receiver: a thread of its own with a queue, so that a dead
// receiver holds up nobody else. In order; a message that fails is tried again
// after 1 s, 2 s, … up to two minutes. Thread-safe.
class DeliveryQueue {
 public:
  struct Options {
    std::string name;
    HttpAddress address;
    Secret bearer;
    std::chrono::nanoseconds timeout = std::chrono::seconds(3);
    // A new message takes the place of one that waits.
    bool newest_only = false;
    // Larger: a receiver that is away for long misses less; more memory.
    size_t max_messages = 1000;
    std::chrono::nanoseconds first_retry = std::chrono::seconds(1);
    std::chrono::nanoseconds last_retry = std::chrono::minutes(2);
    // An older message is of no use any more.
    std::chrono::nanoseconds max_age = std::chrono::hours(6);
  };
  // From the queue's thread (kDropped also from Push), without a lock held.
  using Done = std::function<void(const OutMessage& message, Outcome outcome)>;

  // `clock` outlives the queue.
  DeliveryQueue(Options options, const Clock& clock, Done done);
  // Waits for a message that is under way, options.timeout at most.
  ~DeliveryQueue();

  // Over max_messages the oldest is dropped.
  void PushOrDropOldest(OutMessage message) KHTRACE_EXCLUDES(mu_);
  size_t waiting() const KHTRACE_EXCLUDES(mu_);
  // Why the last attempt to tell of the tenant's alerts failed; "" if it did
  // not. Others' messages are nobody's business.
  std::string last_error(const std::string& tenant) const KHTRACE_EXCLUDES(mu_);

 private:
  std::chrono::nanoseconds Work() KHTRACE_EXCLUDES(mu_);
  // How long to wait before the next attempt; nullopt: `front` is to be sent.
  std::optional<std::chrono::nanoseconds> Next(OutMessage* front)
      KHTRACE_EXCLUDES(mu_);
  Outcome Send(const OutMessage& message, std::string* error);
  // Notes how it went.
  void Settle(const OutMessage& message, Outcome outcome, std::string error)
      KHTRACE_EXCLUDES(mu_);

  const Options options_;
  const Clock& clock_;
  const Done done_;
  net::HttpClient client_;  // of the thread
  mutable Mutex mu_;
  std::deque<OutMessage> messages_ KHTRACE_GUARDED_BY(mu_);
  std::chrono::nanoseconds retry_ KHTRACE_GUARDED_BY(mu_){};  // 0: no failure
  std::chrono::nanoseconds not_before_ KHTRACE_GUARDED_BY(mu_){};
  bool failing_ KHTRACE_GUARDED_BY(mu_) = false;  // the last attempt did
  // By tenant; of those whose last attempt failed.
  std::map<std::string, std::string> errors_ KHTRACE_GUARDED_BY(mu_);
  PeriodicThread thread_;  // last: it uses all of the above
};

}  // namespace khtrace::alerting
