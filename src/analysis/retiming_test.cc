// SPDX-License-Identifier: Apache-2.0
#include "analysis/retiming.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>

#include "analysis/testing.h"

namespace khtrace::analysis {
namespace {

using aggregate::kNoRow;
using Span = TraceSample::Span;

// A program: own work and calls, some of them beside each other and joined.
struct Program {
  struct Step {
    uint64_t work = 0;                            // own, before the calls
    std::vector<std::unique_ptr<Program>> calls;  // begin together
  };
  uint32_t operation = 0;
  std::vector<Step> steps;
  uint64_t tail = 0;
};

std::unique_ptr<Program> RandomProgram(std::mt19937_64& random, int depth) {
  auto program = std::make_unique<Program>();
  program->operation = static_cast<uint32_t>(random() % 5);
  // Multiples of 100: ten per cent less is a whole number.
  program->tail = random() % 50 * 100;
  const uint64_t steps = depth == 0 ? 0 : random() % 4;
  for (uint64_t i = 0; i < steps; ++i) {
    Program::Step step;
    // Without a pause calls of two steps would look as if they began together.
    step.work = (1 + random() % 30) * 100;
    const uint64_t calls = 1 + random() % 3;
    for (uint64_t c = 0; c < calls; ++c) {
      step.calls.push_back(RandomProgram(random, depth - 1));
    }
    program->steps.push_back(std::move(step));
  }
  return program;
}

// Runs it: `spans` gets what a tracer would see. The end.
uint64_t Execute(const Program& program, uint64_t start, uint32_t parent,
                 uint32_t faster, uint32_t percent, std::vector<Span>* spans) {
  const auto own = [&](uint64_t work) {
    return program.operation == faster ? work - work * percent / 100 : work;
  };
  const auto place = static_cast<uint32_t>(spans->size());
  spans->push_back({start, start, parent, program.operation, false});
  uint64_t at = start;
  for (const Program::Step& step : program.steps) {
    const uint64_t begin = at + own(step.work);
    at = begin;
    for (const auto& call : step.calls) {
      at = std::max(at, Execute(*call, begin, place, faster, percent, spans));
    }
  }
  at += own(program.tail);
  (*spans)[place].end = at;
  return at;
}

// In order of start, as samples have them.
std::vector<Span> Ordered(const std::vector<Span>& spans, uint32_t* root) {
  std::vector<uint32_t> order(spans.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return spans[a].start < spans[b].start;
  });
  std::vector<uint32_t> place(spans.size());
  for (uint32_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  std::vector<Span> ordered;
  for (const uint32_t i : order) {
    ordered.push_back(spans[i]);
    if (spans[i].parent != kNoRow)
      ordered.back().parent = place[spans[i].parent];
  }
  *root = place[0];
  return ordered;
}

TEST(Retiming, SaysWhatTheFasterProgramTakes) {
  std::mt19937_64 random(1);
  Retiming retiming;
  for (uint64_t i = 0; i < RunsOf(20'000); ++i) {
    const auto program = RandomProgram(random, 3);
    std::vector<Span> seen;
    Execute(*program, 1000, kNoRow, UINT32_MAX, 0, &seen);
    uint32_t root = 0;
    const std::vector<Span> spans = Ordered(seen, &root);
    retiming.Set(spans, root);
    for (uint32_t operation = 0; operation < 5; ++operation) {
      for (const uint32_t percent : {10u, 50u, 99u}) {
        std::vector<Span> again;
        const uint64_t end =
            Execute(*program, 1000, kNoRow, operation, percent, &again);
        ASSERT_EQ(retiming.DurationIf(operation, percent), end - 1000)
            << "program " << i << " operation " << operation;
      }
    }
  }
}

// Any trace: any parents, skewed clocks, calls that outlive their callers.
std::vector<Span> RandomSpans(std::mt19937_64& random) {
  std::vector<Span> spans;
  const uint64_t size = 1 + random() % 14;
  for (uint64_t i = 0; i < size; ++i) {
    Span span;
    span.start = random() % 5000;
    span.end = span.start + random() % 4000;
    span.operation = static_cast<uint32_t>(random() % 4);
    spans.push_back(span);
  }
  std::sort(spans.begin(), spans.end(),
            [](const Span& a, const Span& b) { return a.start < b.start; });
  for (Span& span : spans) {
    const uint64_t parent = random() % (size + 2);
    span.parent = parent < size ? static_cast<uint32_t>(parent) : kNoRow;
  }
  return spans;
}

TEST(Retiming, StaysWithinWhatThePathAllowsInRandomTraces) {
  std::mt19937_64 random(2);
  Retiming retiming;
  for (uint64_t t = 0; t < RunsOf(100'000); ++t) {
    const std::vector<Span> spans = RandomSpans(random);
    retiming.Set(spans, kNoRow);
    const uint64_t all = std::accumulate(retiming.critical().begin(),
                                         retiming.critical().end(), uint64_t{});
    ASSERT_EQ(all, retiming.duration());
    for (uint32_t operation = 0; operation < 4; ++operation) {
      uint64_t own = 0;
      for (size_t i = 0; i < spans.size(); ++i) {
        if (spans[i].operation == operation) own += retiming.critical()[i];
      }
      ASSERT_EQ(retiming.DurationIf(operation, 0), retiming.duration());
      uint64_t before = retiming.duration();
      for (uint32_t percent = 10; percent <= 100; percent += 30) {
        const uint64_t made = retiming.DurationIf(operation, percent);
        // Never more than the path's own pieces give, and never slower.
        ASSERT_GE(made + own * percent / 100, retiming.duration()) << t;
        ASSERT_LE(made, before) << t;
        before = made;
      }
      if (own == 0) {
        ASSERT_EQ(before, retiming.duration()) << t;
      }
    }
  }
}

TEST(Retiming, GainsNoMoreThanTheCallBesideItAllows) {
  // 1 calls 2 (to 100) and 3 (to 95) at once, and works 10 more.
  const std::vector<Span> spans = {
      {0, 110, kNoRow, 1, false}, {0, 100, 0, 2, false}, {0, 95, 0, 3, false}};
  Retiming retiming;
  retiming.Set(spans, 0);
  EXPECT_EQ(retiming.DurationIf(2, 4), 106u);
  EXPECT_EQ(retiming.DurationIf(2, 10), 105u);
  EXPECT_EQ(retiming.DurationIf(2, 90), 105u);
  EXPECT_EQ(retiming.DurationIf(3, 90), 110u);
  EXPECT_EQ(retiming.DurationIf(1, 50), 105u);
}

TEST(Retiming, CallsThatOutliveTheirCallerAreNotWaitedForLonger) {
  const std::vector<Span> spans = {{0, 100, kNoRow, 1, false},
                                   {20, 500, 0, 2, false}};
  Retiming retiming;
  retiming.Set(spans, 0);
  EXPECT_EQ(retiming.duration(), 100u);
  EXPECT_EQ(retiming.DurationIf(2, 10), 92u);
}

}  // namespace
}  // namespace khtrace::analysis
