// SPDX-License-Identifier: Apache-2.0
#include "net/http.h"

#include <gtest/gtest.h>

namespace khtrace::net {
namespace {

TEST(HttpHeaders, FindsNamesInAnyCase) {
  const HttpHeaders headers{{"Content-TYPE", "text/plain"}};
  EXPECT_EQ(headers.Get("content-type"), "text/plain");
  EXPECT_TRUE(headers.Has("CONTENT-type"));
  EXPECT_FALSE(headers.Has("content-typ"));
}

TEST(HttpHeaders, JoinsRepeatedFieldsAndReplacesAllOnSet) {
  HttpHeaders headers{{"A", "1"}, {"b", "x"}, {"a", "2"}};
  EXPECT_EQ(headers.Joined("a"), "1, 2");
  headers.Set("a", "3");
  EXPECT_EQ(headers.Joined("A"), "3");
  EXPECT_EQ(headers.size(), 2u);
}

TEST(QueryParams, KeepsRepeatedKeysAndTellsValuelessFromEmpty) {
  const QueryParams query = QueryParams::Parse("a=1&a=2&b&c=&&d=x%26y+z%3D=");
  EXPECT_EQ(query.GetAll("a"), (std::vector<std::string_view>{"1", "2"}));
  EXPECT_EQ(query.Get("b"), "");
  EXPECT_EQ(query.Get("c"), "");
  EXPECT_EQ(query.Get("d"), "x&y z==");
  EXPECT_EQ(query.Get("e"), std::nullopt);
  ASSERT_EQ(query.size(), 5u);
  EXPECT_FALSE((query.begin() + 2)->has_value);
  EXPECT_TRUE((query.begin() + 3)->has_value);
}

TEST(HttpRequest, CutsQueryAndAuthorityOffTheRawPath) {
  HttpRequest request;
  request.target = "/a%2Fb?x=http://y/z";
  EXPECT_EQ(request.raw_path(), "/a%2Fb");
  request.target = "http://host:80/c?d";
  EXPECT_EQ(request.raw_path(), "/c");
  request.target = "http://host";
  EXPECT_EQ(request.raw_path(), "/");
}

TEST(HttpRequest, ReducesContentTypeToTheMediaType) {
  HttpRequest request;
  request.headers.Add("Content-Type", " Application/JSON ; charset=utf-8");
  EXPECT_EQ(request.MediaType(), "application/json");
}

}  // namespace
}  // namespace khtrace::net
