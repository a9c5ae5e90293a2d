// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/request_context.h"
#include "base/result.h"

namespace khtrace::analysis {

// What an answer is about: a tenant's window.
struct AnswerKey {
  std::string tenant;
  uint64_t start = 0;
  uint64_t end = 0;
  auto operator<=>(const AnswerKey&) const = default;
};

// Answers that are kept for a moment. Of equal questions at the same time one
// is answered, the others wait for it. Thread-safe.
template <typename Answer>
class RecentAnswers {
 public:
  using Ptr = std::shared_ptr<const Answer>;

  // Keeps at most `max_answers`, and as many as have at most `max_size`
  // together; the newest in any case. `clock` outlives this.
  RecentAnswers(const Clock& clock, size_t max_answers, size_t max_size)
      : clock_(clock), max_answers_(max_answers), max_size_(max_size) {}

  // An answer no older than `fresh`: a kept one, or what make() gives, a
  // Result<Ptr>. size(const Answer&): its size. Errors: make's, which are not
  // kept, and the context's while it waits.
  template <typename Make, typename Size>
  Result<Ptr> Get(const RequestContext& context, const AnswerKey& key,
                  std::chrono::nanoseconds fresh, const Size& size,
                  const Make& make) KHTRACE_EXCLUDES(mu_) {
    ASSIGN_OR_RETURN(Ptr kept, FindOrClaim(context, key, fresh));
    if (kept != nullptr) return kept;
    const std::chrono::nanoseconds now = clock_.Monotonic();
    Result<Ptr> made = make();
    MutexLock lock(mu_);
    in_work_.erase(key);
    done_.NotifyAll();
    if (made) Keep(key, {*made, now, size(**made)});
    return made;
  }

 private:
  struct Kept {
    Ptr answer;
    std::chrono::nanoseconds made{};
    size_t size = 0;
  };
  // How long a waiting question goes without looking whether its own time is
  // up.
  static constexpr std::chrono::milliseconds kLook{50};

  // nullptr: the caller is the one to make it.
  Result<Ptr> FindOrClaim(const RequestContext& context, const AnswerKey& key,
                          std::chrono::nanoseconds fresh)
      KHTRACE_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    for (;;) {
      const auto kept = kept_.find(key);
      if (kept != kept_.end() &&
          clock_.Monotonic() - kept->second.made < fresh) {
        return kept->second.answer;
      }
      if (in_work_.insert(key).second) return Ptr();
      done_.WaitFor(mu_, kLook);
      RETURN_IF_ERROR(context.Check());
    }
  }

  // Others go for it, the oldest first.
  void Keep(const AnswerKey& key, Kept kept) KHTRACE_REQUIRES(mu_) {
    kept_.erase(key);
    size_t all = kept.size;
    for (const auto& [other, answer] : kept_) all += answer.size;
    while (!kept_.empty() &&
           (kept_.size() >= max_answers_ || all > max_size_)) {
      const auto oldest = std::min_element(
          kept_.begin(), kept_.end(), [](const auto& a, const auto& b) {
            return a.second.made < b.second.made;
          });
      all -= oldest->second.size;
      kept_.erase(oldest);
    }
    kept_[key] = std::move(kept);
  }

  const Clock& clock_;
  const size_t max_answers_;
  const size_t max_size_;
  Mutex mu_;
  CondVar done_;
  std::map<AnswerKey, Kept> kept_ KHTRACE_GUARDED_BY(mu_);
  std::set<AnswerKey> in_work_ KHTRACE_GUARDED_BY(mu_);
};

}  // namespace khtrace::analysis
