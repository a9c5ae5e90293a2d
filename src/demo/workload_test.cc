// SPDX-License-Identifier: Apache-2.0
#include "demo/workload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "demo/request_stream.h"

namespace khtrace::demo {
namespace {

using model::RowIndex;
using model::SpanBatch;
using model::SpanKind;

constexpr UnixNanos kStart{1'767'225'600'000'000'000};  // 2026-01-01

// Plays `traces` traces, 10 ms apart, and shows each of them.
template <typename Visit>
Manifest Play(const WorkloadOptions& options, int traces, Visit visit) {
  Workload workload(options);
  for (int i = 0; i < traces; ++i) {
    visit(workload.NextTrace(kStart.Plus(i * std::chrono::milliseconds(10))));
  }
  return workload.manifest();
}

Manifest Play(int traces) {
  return Play({}, traces, [](const TraceSketch&) {});
}

std::string TextOf(const TraceSketch& trace, const TraceSketch::Span& span,
                   std::string_view key) {
  for (uint32_t i = span.attributes.first; i != kNone;
       i = trace.attributes[i].next) {
    if (trace.attributes[i].key == key) {
      return model::ToDisplayString(trace.attributes[i].value);
    }
  }
  return {};
}

TEST(Workload, HasTheSizeOfRealTraces) {
  const Manifest manifest = Play(4000);
  const double spans_per_trace = static_cast<double>(manifest.spans) /
                                 static_cast<double>(manifest.traces);
  const double attributes_per_span = static_cast<double>(manifest.attributes) /
                                     static_cast<double>(manifest.spans);
  EXPECT_GT(spans_per_trace, 17);
  EXPECT_LT(spans_per_trace, 21);
  EXPECT_GT(attributes_per_span, 6);
  EXPECT_LT(attributes_per_span, 7.5);
}

TEST(Workload, EveryServiceTakesPart) {
  const Manifest manifest = Play(4000);
  for (size_t i = 0; i < kServiceCount; ++i) {
    EXPECT_GT(manifest.by_service[i].spans, 0u)
        << Spec(static_cast<ServiceId>(i)).name;
  }
}

TEST(Workload, OneToThreePercentOfSpansFail) {
  const Manifest manifest = Play(8000);
  const double share = static_cast<double>(manifest.error_spans) /
                       static_cast<double>(manifest.spans);
  EXPECT_GT(share, 0.01);
  EXPECT_LT(share, 0.03);
  EXPECT_GT(manifest.resends, 0u);
  EXPECT_GT(manifest.links, 0u);
}

TEST(Workload, ChildrenStartWithinTheirParentAndOnlyConsumersOutliveIt) {
  Play({}, 2000, [](const TraceSketch& trace) {
    std::set<uint64_t> ids;
    for (const TraceSketch::Span& span : trace.spans) {
      EXPECT_TRUE(ids.insert(span.id.value).second);
      EXPECT_LE(span.start, span.end);
      if (span.parent == kNone) continue;
      const TraceSketch::Span& parent = trace.spans[span.parent];
      EXPECT_GE(span.start, parent.start);
      if (span.kind != SpanKind::kConsumer) {
        EXPECT_LE(span.end, parent.end) << span.name;
      }
    }
    EXPECT_EQ(trace.spans[0].parent, kNone);
  });
}

TEST(Workload, ErrorsCarryAnExceptionAndReachTheCaller) {
  uint64_t exceptions = 0;
  uint64_t handed_up = 0;
  Play({}, 4000, [&](const TraceSketch& trace) {
    for (const TraceSketch::Span& span : trace.spans) {
      if (span.status != model::StatusCode::kError) continue;
      EXPECT_NE(TextOf(trace, span, "error.type"), "") << span.name;
      if (span.first_event != kNone) {
        const TraceSketch::Event& event = trace.events[span.first_event];
        EXPECT_EQ(event.name, "exception");
        EXPECT_FALSE(span.status_message.empty());
        ++exceptions;
      }
      if (span.parent != kNone &&
          trace.spans[span.parent].status == model::StatusCode::kError) {
        ++handed_up;
      }
    }
  });
  EXPECT_GT(exceptions, 100u);
  EXPECT_GT(handed_up, 100u);
}

TEST(Workload, RetriesAreSiblingsWithGrowingPauses) {
  int pauses = 0;
  Play({}, 6000, [&](const TraceSketch& trace) {
    for (const TraceSketch::Span& span : trace.spans) {
      if (TextOf(trace, span, "http.request.resend_count") != "2") continue;
      std::vector<const TraceSketch::Span*> tries;
      for (const TraceSketch::Span& other : trace.spans) {
        if (other.parent == span.parent && other.name == span.name) {
          tries.push_back(&other);
        }
      }
      ASSERT_EQ(tries.size(), 3u);
      const auto first = tries[1]->start - tries[0]->end;
      const auto second = tries[2]->start - tries[1]->end;
      // Doubling, but for the rare outlier.
      EXPECT_GT(second * 10, first);
      pauses += second > first ? 1 : 0;
    }
  });
  EXPECT_GT(pauses, 3);
}

TEST(Workload, OrderHistoryAsksOnceForEveryOrder) {
  size_t most = 0;
  Play({}, 2000, [&](const TraceSketch& trace) {
    const auto repeated =
        std::ranges::count_if(trace.spans, [](const TraceSketch::Span& span) {
          return span.name == "SELECT order_items";
        });
    most = std::max(most, static_cast<size_t>(repeated));
  });
  EXPECT_GT(most, 20u);
}

TEST(Workload, DeploymentMakesMemorySearchAboutThreeTimesSlower) {
  std::map<bool, std::vector<int64_t>> by_version;
  std::set<std::string> versions;
  WorkloadOptions options;
  options.deployment_at = kStart.Plus(std::chrono::seconds(40));
  Play(options, 20'000, [&](const TraceSketch& trace) {
    for (const TraceSketch::Span& span : trace.spans) {
      if (span.name != "memory.search") continue;
      by_version[span.pod.next_version].push_back(
          (span.end - span.start).count());
    }
  });
  const auto median = [](std::vector<int64_t> values) {
    const auto middle = values.begin() + static_cast<long>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return static_cast<double>(*middle);
  };
  ASSERT_GT(by_version[false].size(), 500u);
  ASSERT_GT(by_version[true].size(), 500u);
  const double ratio = median(by_version[true]) / median(by_version[false]);
  EXPECT_GT(ratio, 2.5);
  EXPECT_LT(ratio, 4.0);
}

TEST(Workload, OneTraceInAHundredIsMuchSlowerThanTheMedian) {
  std::vector<int64_t> pages;
  Play({}, 8000, [&](const TraceSketch& trace) {
    const TraceSketch::Span& root = trace.spans[0];
    if (root.name == "GET /products/{id}") pages.push_back(root.end.count());
  });
  std::ranges::sort(pages);
  ASSERT_GT(pages.size(), 500u);
  EXPECT_GT(pages[pages.size() * 99 / 100], 3 * pages[pages.size() / 2]);
}

}  // namespace
}  // namespace khtrace::demo
