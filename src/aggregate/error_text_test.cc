// SPDX-License-Identifier: Apache-2.0
#include "aggregate/error_text.h"

#include <gtest/gtest.h>

#include <random>

namespace khtrace::aggregate {
namespace {

TEST(NormaliseMessage, NumbersIdsAndQuotesBecomePlaceholders) {
  EXPECT_EQ(NormaliseMessage("timeout after 5000ms on host 10.0.3.17:5432"),
            "timeout after <n> on host <n>:<n>");
  EXPECT_EQ(NormaliseMessage("user 'bob' not found in \"eu-1\""),
            "user <s> not found in <s>");
  EXPECT_EQ(NormaliseMessage("order 123e4567-e89b-12d3-a456-426614174000 gone"),
            "order <uuid> gone");
  EXPECT_EQ(NormaliseMessage("object deadbeef01 at 0x7fff12"),
            "object <hex> at <hex>");
  EXPECT_EQ(NormaliseMessage("took 1,204.5 seconds"), "took <n> seconds");
}

TEST(NormaliseMessage, NamesAndApostrophesStay) {
  EXPECT_EQ(NormaliseMessage("http2 stream: can't decode utf8, won't retry"),
            "http2 stream: can't decode utf8, won't retry");
  EXPECT_EQ(NormaliseMessage("feedface decade"), "feedface decade");
}

TEST(NormaliseMessage, IsOneShortLineOfWholeCharacters) {
  EXPECT_EQ(NormaliseMessage("  a\n\t b  "), "a b");
  std::string text = "x";
  for (int i = 0; i < 300; ++i) text += "ä";
  EXPECT_EQ(NormaliseMessage(text).size(), 199u);
  EXPECT_EQ(NormaliseMessage(""), "");
}

TEST(NormaliseMessage, TakesAnyBytes) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string text(random() % 300, ' ');
    for (char& c : text) {
      constexpr std::string_view kChars = "0af'\"`-x.,: \n\xc3\xa4";
      c = kChars[random() % kChars.size()];
    }
    ASSERT_LE(NormaliseMessage(text).size(), 200u);
    (void)OwnFrames(text);
  }
}

TEST(OwnFrames, LeavesOutLinesNumbersAndForeignCode) {
  const std::string first =
      "java.lang.IllegalStateException: 17\n"
      "\tat java.util.Optional.get(Optional.java:143)\n"
      "\tat shop.Cart.total(Cart.java:52)\n"
      "\tat shop.Checkout.run(Checkout.java:11)\n"
      "\tat org.springframework.web.Call.go(Call.java:9)\n";
  std::string later = first;
  later.replace(later.find(":52"), 3, ":60");
  EXPECT_EQ(OwnFrames(first).top, "at shop.Cart.total(Cart.java:*)");
  EXPECT_EQ(OwnFrames(first).hash, OwnFrames(later).hash);
  std::string other = first;
  other.replace(other.find("Checkout"), 8, "Giftcard");
  EXPECT_NE(OwnFrames(first).hash, OwnFrames(other).hash);
}

TEST(OwnFrames, PythonsInnermostFrameIsTheLast) {
  EXPECT_EQ(
      OwnFrames("Traceback (most recent call last):\n"
                "  File \"/app/main.py\", line 3, in main\n"
                "    run()\n"
                "  File \"/app/job.py\", line 8, in run\n"
                "    get(x)\n"
                "  File \"/v/site-packages/requests/api.py\", line 9, in get\n"
                "ValueError: x\n")
          .top,
      "File \"/app/job.py\", line *, in run");
}

TEST(OwnFrames, OtherLanguages) {
  EXPECT_EQ(OwnFrames("Error: x\n    at Socket.read (node:net:1:2)\n"
                      "    at load (/app/db.js:10:5)\n")
                .top,
            "at load (/app/db.js:*:*)");
  EXPECT_EQ(OwnFrames("goroutine 1 [running]:\nmain.f(0x1)\n"
                      "\t/app/main.go:12 +0x1d\n")
                .top,
            "/app/main.go:* +*");
}

TEST(OwnFrames, ForeignFramesCountWhereThereAreNoOthers) {
  EXPECT_EQ(OwnFrames("\tat java.lang.Thread.run(Thread.java:1)\n").top,
            "at java.lang.Thread.run(Thread.java:*)");
  EXPECT_EQ(OwnFrames("no frames here").hash, 0u);
  EXPECT_EQ(OwnFrames("").top, "");
}

}  // namespace
}  // namespace khtrace::aggregate
