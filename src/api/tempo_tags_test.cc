// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_tags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/tempo_common.h"
#include "api/tempo_tag_filter.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

namespace khtrace::api {
namespace {

using testing::HasSubstr;
using traceql::Static;

std::string FilterOf(std::string_view query) {
  auto filter = ReadTagFilter(query);
  if (!filter) return filter.error().message;
  return *filter ? traceql::Print(**filter) : "none";
}

TEST(TagFilter, CompleteFilterIsTakenAsItIs) {
  EXPECT_EQ(FilterOf(R"({ span.a = "x" && (.b > 1 || .c) })"),
            R"(span.a = "x" && (.b > 1 || .c))");
  EXPECT_EQ(FilterOf(R"({ .a = "}" } | rate())"), R"(.a = "}")");
}

TEST(TagFilter, BrokenConditionsCountAsTrue) {
  EXPECT_EQ(FilterOf(R"({ span.http.method = "GET" && span.db.system = })"),
            R"(span.http.method = "GET")");
  EXPECT_EQ(FilterOf("{ span.db.system = }"), "none");
  EXPECT_EQ(FilterOf("{ .a = 1 && }"), ".a = 1");
  EXPECT_EQ(FilterOf("{ .a = 1 && .b"), ".a = 1 && .b");
  EXPECT_EQ(FilterOf("{ .a = 1 && .b = \"x"), ".a = 1");
  EXPECT_EQ(FilterOf("{ .a = 1 || .b = }"), "none");
  EXPECT_EQ(FilterOf("{ (.a = 1 && .b = ) && .c = 2 }"), ".a = 1 && .c = 2");
  EXPECT_EQ(FilterOf("{ (.a = 1 && .b = "), ".a = 1");
  EXPECT_EQ(FilterOf("{ .a = $service && .b = 2 }"), ".b = 2");
  EXPECT_EQ(FilterOf("{ status = \"x\" && .b = 2 }"), ".b = 2");
}

TEST(TagFilter, WithoutOneFilterThereIsNone) {
  for (const char* query :
       {"", "x", "{", "{}", "{ }", "}{", "{ .a = 1 } && { .b = 2 }",
        "{ .a = 1 } >> { .b = 2 }", "{ .a = { }"}) {
    EXPECT_EQ(FilterOf(query), "none") << query;
  }
}

TEST(TagFilter, TooManyAlternativesAreRefused) {
  std::string groups = ".a = 1";
  for (int i = 2; i <= 100; ++i) groups += " || .a = " + std::to_string(i);
  EXPECT_THAT(FilterOf("{" + groups + "}"), HasSubstr(".a = 100"));
  EXPECT_EQ(FilterOf("{" + groups + " || .b = 1 }"),
            "maximum condition groups reached");
}

TEST(TagFilter, DeepAndLongTextsEnd) {
  const std::string deep = "{" + std::string(50'000, '(') + ".a = }";
  EXPECT_EQ(FilterOf(deep), "none");
  std::string text = "{ .a = ";
  for (int i = 0; i < 5000; ++i) text += " && .b = ";
  EXPECT_EQ(FilterOf(text + "}"), "none");
}

storage::AttributeKeys SampleKeys() {
  storage::AttributeKeys keys;
  keys.resource = {"service.name"};
  keys.span = {"a", "b", "service.name"};
  keys.event = {"exception.type"};
  return keys;
}

std::string Scopes(std::string_view scope, size_t limit) {
  const auto keys = SampleKeys();
  return TagScopesJson(ListTagScopes(keys, scope, limit));
}
std::string Names(std::string_view scope, size_t limit) {
  const auto keys = SampleKeys();
  return TagNamesJson(ListTagNames(keys, scope, limit));
}

TEST(TagNames, ScopesWithoutNamesAreLeftOut) {
  EXPECT_EQ(Scopes("span", 2),
            R"({"scopes":[{"name":"span","tags":["a","b"]}],"metrics":{}})");
  EXPECT_EQ(Scopes("link", 0), R"({"scopes":[],"metrics":{}})");
  const std::string all = Scopes("", 0);
  EXPECT_THAT(all,
              testing::StartsWith(
                  R"({"scopes":[{"name":"resource","tags":["service.name"]},)"
                  R"({"name":"span","tags":["a","b","service.name"]},)"
                  R"({"name":"event","tags":["exception.type"]},)"
                  R"({"name":"intrinsic","tags":["duration","event:name",)"));
  EXPECT_THAT(all, testing::EndsWith(R"("traceDuration"]}],"metrics":{}})"));
  EXPECT_EQ(Scopes("none", 0), all);
}

TEST(TagNames, OlderFormMixesScopes) {
  EXPECT_EQ(Names("", 0),
            R"({"tagNames":["a","b","exception.type","service.name"],)"
            R"("metrics":{}})");
  EXPECT_EQ(Names("resource", 0),
            R"({"tagNames":["service.name"],"metrics":{}})");
  EXPECT_THAT(Names("intrinsic", 1),
              R"({"tagNames":["duration"],"metrics":{}})");
}

query::TagValues SampleValues() {
  query::TagValues values;
  values.values = {Static(int64_t{200}),
                   Static(1.5),
                   Static(true),
                   Static(std::string("a \"b\"")),
                   Static(std::chrono::nanoseconds(1'500'000'000)),
                   Static(model::StatusCode::kOk)};
  values.stats.inspected_bytes = 7;
  return values;
}

TEST(TagValues, HaveTypesInTheNewerForm) {
  EXPECT_EQ(TagValuesV2Json(SampleValues()),
            R"({"tagValues":[{"type":"int","value":"200"},)"
            R"({"type":"float","value":"1.5"},{"type":"bool","value":"true"},)"
            R"({"type":"string","value":"a \"b\""},)"
            R"({"type":"duration","value":"1.5s"},)"
            R"({"type":"keyword","value":"ok"}],)"
            R"("metrics":{"inspectedBytes":"7"}})");
  EXPECT_EQ(TagValuesV2Json({}), R"({"tagValues":[],"metrics":{}})");
}

TEST(TagValues, AreTextsInTheOlderForm) {
  EXPECT_EQ(TagValuesJson(SampleValues()),
            R"({"tagValues":["1.5","1.5s","200","a \"b\"","ok","true"],)"
            R"("metrics":{"inspectedBytes":"7"}})");
}

TEST(TagNames, ProtobufHasTheSame) {
  const TagScope scope{"span", {"a", "b"}};
  query::QueryStats stats;
  bool more = true;
  EXPECT_EQ(NameStream(false, 0).Message({&scope, 1}, stats, &more),
            "\x0a\x0c\x0a\x04span\x12\x01"
            "a\x12\x01"
            "b");
  EXPECT_FALSE(more);
  stats.units = 3;
  stats.units_done = 2;
  stats.inspected_bytes = 7;
  EXPECT_EQ(NameStream(true, 0).Message({&scope, 1}, stats, &more),
            "\x0a\x01"
            "a\x0a\x01"
            "b\x12\x08\x08\x07\x10\x03\x18\x02\x20\x03");
}

TEST(TagValues, ProtobufHasTheSame) {
  const Static value(int64_t{7});
  size_t taken = 0;
  EXPECT_EQ(ValueStream(true).Message({&value, 1}, {}, &taken),
            "\x0a\x08\x0a\x03int\x12\x01"
            "7");
  EXPECT_EQ(taken, 1u);
  EXPECT_EQ(ValueStream(false).Message({&value, 1}, {}, &taken),
            "\x0a\x01"
            "7");
}

TEST(NameStream, SendsEachNameOnceAndNoMoreThanTheLimit) {
  const std::vector<TagScope> first = {{"resource", {"r"}}, {"span", {"b"}}};
  const std::vector<TagScope> second = {{"resource", {"q", "r"}},
                                        {"span", {"a", "b", "c"}}};
  const std::string of_span =
      "\x0a\x09\x0a\x04span\x12\x01"
      "a";
  bool more = false;
  NameStream stream(false, 2);
  stream.Message(first, {}, &more);
  const std::string rest =
      "\x0a\x0d\x0a\x08resource\x12\x01"
      "q" +
      of_span;
  EXPECT_EQ(stream.Message(second, {}, &more), rest);
  EXPECT_EQ(stream.Message(second, {}, &more), "");
  // What did not go out comes again.
  NameStream other(false, 2);
  other.Message(first, {}, &more);
  other.Message(second, {}, &more);
  other.TakeBack();
  EXPECT_EQ(other.Message(second, {}, &more), rest);
}

TEST(ValueStream, TextsOfSeveralTypesAreSentOnce) {
  const std::vector<Static> number = {Static(int64_t{7})};
  const std::vector<Static> text = {Static(std::string("7")),
                                    Static(std::string("8"))};
  size_t taken = 0;
  ValueStream stream(false);
  stream.Message(number, {}, &taken);
  EXPECT_EQ(stream.Message(text, {}, &taken),
            "\x0a\x01"
            "8");
  EXPECT_EQ(taken, 2u);
  stream.TakeBack();
  EXPECT_EQ(stream.Message(text, {}, &taken),
            "\x0a\x01"
            "8");
}

TEST(Streams, MessagesAreCutBetweenItems) {
  const std::string large(kMaxMessageBytes / 2, 'x');
  const std::vector<std::string> names = {large + "1", large + "2",
                                          large + "3"};
  const TagScope scope{"span", {names.begin(), names.end()}};
  NameStream stream(false, 0);
  bool more = true;
  size_t messages = 0;
  for (; more; ++messages) {
    EXPECT_LT(stream.Message({&scope, 1}, {}, &more).size(),
              kMaxMessageBytes + 100);
  }
  EXPECT_EQ(messages, 3u);
  std::vector<Static> values;
  for (const std::string& name : names) values.emplace_back(name);
  size_t taken = 0;
  ValueStream(true).Message(values, {}, &taken);
  EXPECT_EQ(taken, 1u);
}

TEST(TagValues, AreGroupedForLanguageModels) {
  query::TagValues values;
  values.values = {Static(int64_t{1}), Static(std::string("a")),
                   Static(std::string("b"))};
  EXPECT_EQ(TagValuesLlmJson(values),
            R"({"tagValues":{"int":["1"],"string":["a","b"]},"metrics":{}})");
}

TEST(TagValues, OfKeywordsAreKnownAndOfDurationsNotTold) {
  const auto known = [](std::string_view name) -> std::string {
    const auto values = ValuesByDefinition(*traceql::ParseAttribute(name));
    return values ? TagValuesJson(*values) : "ask";
  };
  EXPECT_EQ(known("status"),
            R"({"tagValues":["error","ok","unset"],"metrics":{}})");
  EXPECT_THAT(known("span:kind"), HasSubstr(R"("server","unspecified")"));
  for (const char* name : {"duration", "trace:id", "nestedSetLeft",
                           "span:childCount", "event:timeSinceStart"}) {
    EXPECT_EQ(known(name), R"({"tagValues":[],"metrics":{}})") << name;
  }
  EXPECT_EQ(known("perf:grade"),
            R"({"tagValues":["A","B","C","D","F"],"metrics":{}})");
  for (const char* name :
       {"name", ".a", "event:name", "rootServiceName", "perf:category"}) {
    EXPECT_EQ(known(name), "ask") << name;
  }
}

}  // namespace
}  // namespace khtrace::api
