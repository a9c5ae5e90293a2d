// SPDX-License-Identifier: Apache-2.0
#include "query/reference/test_judge.h"

namespace khtrace::query::reference {
namespace {

using aggregate::Trait;

enum Number : uint32_t { kMemory, kSession, kAi, kDatabase, kApi };
constexpr uint64_t kMs = 1'000'000;

class BuiltInJudge : public SpanJudge {
 public:
  const std::vector<std::string>& categories() const override { return names_; }
  const std::string& identity() const override { return identity_; }
  Judgement Judge(const Subject& subject) const override {
    Judgement out;
    out.category = CategoryOf(subject);
    if (subject.name == "cron") {
      out.bands = {1000 * kMs, 2000 * kMs, 3000 * kMs, 4000 * kMs};
    } else if (out.category != kNoCategory) {
      out.bands = bands_[out.category];
    }
    return out;
  }

 private:
  static uint32_t CategoryOf(const Subject& subject) {
    const auto begins = [&](std::string_view with) {
      return subject.name.starts_with(with);
    };
    if (begins("session.")) return kSession;
    if (begins("memory.")) return kMemory;
    if (begins("gen_ai.") || begins("ai.") || begins("llm.")) return kAi;
    if (subject.trait == Trait::kAi) return kAi;
    if (subject.trait == Trait::kDatabase) return kDatabase;
    if (subject.kind == model::SpanKind::kServer) return kApi;
    return kNoCategory;
  }

  const std::vector<std::string> names_ = {"memory", "session", "ai",
                                           "database", "api"};
  const std::string identity_ = "test";
  const std::array<std::array<uint64_t, 4>, 5> bands_ = {{
      {50 * kMs, 100 * kMs, 200 * kMs, 500 * kMs},
      {1000 * kMs, 2000 * kMs, 5000 * kMs, 10'000 * kMs},
      {2000 * kMs, 5000 * kMs, 10'000 * kMs, 20'000 * kMs},
      {100 * kMs, 250 * kMs, 500 * kMs, 1000 * kMs},
      {200 * kMs, 500 * kMs, 1000 * kMs, 2000 * kMs},
  }};
};

}  // namespace

const SpanJudge& TestJudge() {
  static const BuiltInJudge judge;
  return judge;
}

}  // namespace khtrace::query::reference
