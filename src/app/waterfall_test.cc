// SPDX-License-Identifier: Apache-2.0
#include "app/waterfall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "model/span_batch_builder.h"

namespace khtrace::app {
namespace {

using model::SpanBatch;
using testing::HasSubstr;
using testing::Not;

constexpr uint64_t kStart = 1'767'225'600'000'000'000;  // 2026-01-01
constexpr uint64_t kMs = 1'000'000;

// Spans of one trace, by hand. Times in milliseconds since its start.
class TraceMaker {
 public:
  TraceMaker& Service(std::string_view name) {
    builder_.AddResource();
    builder_.AddResourceAttribute("service.name",
                                  model::AttrValue::String(name));
    builder_.AddScope("test", "");
    return *this;
  }
  TraceMaker& Span(uint64_t id, uint64_t parent, std::string_view name,
                   int64_t start_ms, int64_t end_ms,
                   model::StatusCode status = model::StatusCode::kUnset) {
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {0x0123456789abcdef, 0xfedcba9876543210};
    fields.span_id = {id};
    fields.parent_span_id = {parent};
    fields.name = name;
    fields.start = {kStart + static_cast<uint64_t>(start_ms) * kMs};
    fields.end = {kStart + static_cast<uint64_t>(end_ms) * kMs};
    fields.status = status;
    builder_.AddSpan(fields);
    return *this;
  }
  TraceMaker& Exception(std::string_view type, std::string_view message) {
    builder_.AddEvent({kStart}, "exception");
    builder_.AddEventAttribute("exception.type",
                               model::AttrValue::String(type));
    builder_.AddEventAttribute("exception.message",
                               model::AttrValue::String(message));
    return *this;
  }
  TraceMaker& Attribute(std::string_view key, std::string_view value) {
    builder_.AddSpanAttribute(key, model::AttrValue::String(value));
    return *this;
  }
  SpanBatch Build() { return builder_.Build(); }

 private:
  model::SpanBatchBuilder builder_;
};

WaterfallOptions Options(bool utf8 = true, size_t width = 80) {
  WaterfallOptions options;
  options.terminal = {.color = false, .utf8 = utf8, .width = width};
  return options;
}

SpanBatch Checkout() {
  return TraceMaker()
      .Service("web")
      .Span(1, 0, "POST /checkout", 0, 100, model::StatusCode::kError)
      .Exception("UpstreamError", "payments failed")
      .Span(2, 1, "shop.v1.Payments/Charge", 10, 90, model::StatusCode::kError)
      .Service("payments")
      .Span(3, 2, "shop.v1.Payments/Charge", 20, 80)
      .Span(4, 3, "SELECT cards", 51, 74)
      .Build();
}

TEST(Waterfall, DrawsTreeDurationsBarsAndExceptions) {
  EXPECT_EQ(RenderWaterfall(Checkout(), Options()),
            R"(Trace 0123456789abcdeffedcba9876543210
web: POST /checkout
2026-01-01 00:00:00.000 UTC · 100 ms · 4 spans · 2 services · 2 errors

                                        0 ns                50 ms         100 ms
✗ web: POST /checkout           100 ms  ████████████████████████████████████████
│ UpstreamError: payments failed
└╴✗ Payments/Charge              80 ms  ┊   ████████████████████████████████
  └╴payments: Payments/Charge    60 ms  ┊       ████████████████████████
    └╴SELECT cards               23 ms  ┊                   █████████▋
)");
}

TEST(Waterfall, FallsBackToAscii) {
  const std::string text = RenderWaterfall(Checkout(), Options(false));
  EXPECT_EQ(text,
            R"(Trace 0123456789abcdeffedcba9876543210
web: POST /checkout
2026-01-01 00:00:00.000 UTC | 100 ms | 4 spans | 2 services | 2 errors

                                        0 ns                50 ms         100 ms
x web: POST /checkout           100 ms  ========================================
| UpstreamError: payments failed
`-x Payments/Charge              80 ms      ================================
  `-payments: Payments/Charge    60 ms          ========================
    `-SELECT cards               23 ms                      ==========
)");
}

TEST(Waterfall, NoLineIsWiderThanTheTerminal) {
  TraceMaker maker;
  maker.Service("検索サービス");
  maker.Span(1, 0, std::string(300, 'x'), 0, 10);
  maker.Span(2, 1, "検索検索検索検索検索検索検索検索検索検索", 1, 9,
             model::StatusCode::kError);
  maker.Exception("Type", std::string(500, 'm'));
  const SpanBatch trace = maker.Build();
  for (const size_t width : {60, 80, 200}) {
    std::string text = RenderWaterfall(trace, Options(true, width));
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      const std::string line = text.substr(at, end - at);
      if (!line.starts_with("20")) {  // the line of facts is never cut
        EXPECT_LE(DisplayWidth(line), width) << line;
      }
      at = end + 1;
    }
  }
}

TEST(Waterfall, FoldsLikeSiblingsButKeepsTheFailed) {
  TraceMaker maker;
  maker.Service("orders").Span(1, 0, "GET /orders", 0, 100);
  for (uint64_t i = 0; i < 40; ++i) {
    const auto at = static_cast<int64_t>(i);
    maker.Span(100 + i, 1, "SELECT items", at, at + 1 + at % 7,
               i == 30 ? model::StatusCode::kError : model::StatusCode::kUnset);
  }
  const SpanBatch trace = maker.Build();
  const std::string folded = RenderWaterfall(trace, Options());
  EXPECT_THAT(folded, HasSubstr("… 36 more `SELECT items` 1 ms–7 ms\n"));
  EXPECT_THAT(folded, HasSubstr("✗ SELECT items"));
  EXPECT_THAT(folded, HasSubstr("36 spans folded: --all shows every span"));
  WaterfallOptions all = Options();
  all.all = true;
  const std::string everything = RenderWaterfall(trace, all);
  EXPECT_THAT(everything, Not(HasSubstr("more `")));
  EXPECT_EQ(std::ranges::count(everything, '\n'), 5 + 41);
}

TEST(Waterfall, NamesWhatIsOddAboutATrace) {
  const SpanBatch trace = TraceMaker()
                              .Service("a")
                              .Span(1, 0, "root", 10, 20)
                              .Span(2, 1, "early", 5, 8)
                              .Span(3, 99, "orphan", 12, 13)
                              .Build();
  const std::string text = RenderWaterfall(trace, Options());
  EXPECT_THAT(text, HasSubstr("! 1 span without the parent named"));
  EXPECT_THAT(text, HasSubstr("! 2 roots"));
  EXPECT_THAT(text, HasSubstr("! 1 span starts before the parent"));
}

TEST(Waterfall, TakesOneSpanWithoutDurationNameOrService) {
  const SpanBatch trace = TraceMaker().Service("").Span(1, 0, "", 0, 0).Build();
  const std::string text = RenderWaterfall(trace, Options());
  EXPECT_THAT(text, HasSubstr("(no service): (no name)"));
  EXPECT_THAT(text, HasSubstr("0 ns · 1 span · 1 service\n"));
}

TEST(Waterfall, EndBeforeStartIsAnEmptyBar) {
  const SpanBatch trace = TraceMaker()
                              .Service("a")
                              .Span(1, 0, "root", 0, 20)
                              .Span(2, 1, "backwards", 10, 5)
                              .Build();
  EXPECT_THAT(RenderWaterfall(trace, Options()), HasSubstr("0 ns  ┊"));
}

TEST(Waterfall, LimitsRowsOfAHugeTraceAndCountsTheRest) {
  TraceMaker maker;
  maker.Service("deep").Span(1, 0, "level", 0, 1000);
  for (uint64_t i = 2; i <= 10'000; ++i) {
    maker.Span(i, i - 1, "level", 0, 1000);
  }
  const std::string text = RenderWaterfall(maker.Build(), Options());
  EXPECT_THAT(text, HasSubstr("9 600 more spans not shown: --all"));
  EXPECT_LT(std::ranges::count(text, '\n'), 420);
  EXPECT_LT(text.size(), 100'000u);
}

TEST(Waterfall, ShowsAttributesWhenAsked) {
  WaterfallOptions options = Options();
  options.attributes = true;
  const SpanBatch trace = TraceMaker()
                              .Service("a")
                              .Span(1, 0, "root", 0, 20)
                              .Attribute("http.route", "/x\x1b[2J")
                              .Build();
  EXPECT_THAT(RenderWaterfall(trace, options),
              HasSubstr("\n  http.route = /x?[2J\n"));
}

TEST(SpanDetail, ShowsEverythingOfASpan) {
  EXPECT_EQ(RenderSpanDetail(Checkout(), 0, Options().terminal),
            R"(  trace         0123456789abcdeffedcba9876543210
  span          0000000000000001
  parent        none
  service       web
  name          POST /checkout
  kind          unspecified
  start         2026-01-01 00:00:00.000 UTC
  duration      100 ms
  status        error
  scope         test

Resource
  service.name  web

Event exception at 0 ns
  exception.type     UpstreamError
  exception.message  payments failed
)");
}

}  // namespace
}  // namespace khtrace::app
