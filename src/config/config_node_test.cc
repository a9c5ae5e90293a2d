// SPDX-License-Identifier: Apache-2.0
#include "config/config_node.h"

#include <gtest/gtest.h>

#include <map>

namespace khtrace::config {
namespace {

ConfigNode Yaml(const std::string& text) {
  Result<ConfigNode> node = ParseYaml(text, "a.yml");
  EXPECT_TRUE(node) << (node ? "" : node.error().message);
  return node ? *std::move(node) : ConfigNode{};
}

std::string ErrorOf(const std::string& text) {
  const Result<ConfigNode> node = ParseYaml(text, "a.yml");
  return node ? "" : node.error().message;
}

// `text` as the value of one key, expanded.
ConfigNode Expand(const std::string& text,
                  const std::map<std::string, std::string>& env,
                  std::string* error = nullptr) {
  ConfigNode root = Yaml("key: '" + text + "'\n");
  std::vector<std::string> warnings;
  const Status status = ExpandVariables(
      root,
      [&](const std::string& name) -> std::optional<std::string> {
        const auto found = env.find(name);
        if (found == env.end()) return std::nullopt;
        return found->second;
      },
      &warnings);
  if (error != nullptr) *error = status ? "" : status.error().message;
  return root.map.empty() ? ConfigNode{} : root.map[0].value;
}

TEST(ParseYaml, RemembersWhereEveryKeyStands) {
  const ConfigNode root = Yaml("a: 1\nb:\n  c: [x, y]\n");
  EXPECT_EQ(root.Find("a")->scalar, "1");
  EXPECT_EQ(root.Find("b")->Find("c")->Place(), "a.yml:3");
  EXPECT_EQ(root.Find("b")->Find("c")->list.size(), 2u);
}

TEST(ParseYaml, TakesAnEmptyDocumentAsNoKeys) {
  EXPECT_EQ(Yaml("").kind, ConfigNode::Kind::kMap);
  EXPECT_EQ(Yaml("# only a comment\n").map.size(), 0u);
}

TEST(ParseYaml, NamesTheLineOfWhatItCannotRead) {
  EXPECT_EQ(ErrorOf("a: 1\nb: [x\n").substr(0, 8), "a.yml:3:");
  EXPECT_EQ(ErrorOf("a: 1\na: 2\n"), "a.yml:2: key 'a' stands twice");
  EXPECT_EQ(ErrorOf("just text"),
            "a.yml:1: the document is not a map of sections");
}

TEST(ParseYaml, RefusesDocumentsNestedBeyondSense) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += '[';
  for (int i = 0; i < 100; ++i) text += ']';
  EXPECT_NE(ErrorOf("a: " + text).find("nested more than 64 deep"),
            std::string::npos);
}

TEST(Merge, JoinsMapsAndReplacesEverythingElse) {
  ConfigNode root = Yaml("a: {x: 1, y: 2}\nlist: [1, 2]\ngone: 1\n");
  Merge(root, Yaml("a: {y: 3, z: 4}\nlist: [9]\ngone: null\n"));
  EXPECT_EQ(root.Find("a")->Find("x")->scalar, "1");
  EXPECT_EQ(root.Find("a")->Find("y")->scalar, "3");
  EXPECT_EQ(root.Find("a")->Find("z")->scalar, "4");
  EXPECT_EQ(root.Find("list")->list.size(), 1u);
  EXPECT_EQ(root.Find("gone")->kind, ConfigNode::Kind::kNull);
}

TEST(ParseSetFlag, TakesBothSeparatorsAndYamlValues) {
  const Result<ConfigNode> node = ParseSetFlag("a::b.c=[1, 2]");
  ASSERT_TRUE(node);
  EXPECT_EQ(node->Find("a")->Find("b")->Find("c")->list.size(), 2u);
  EXPECT_FALSE(ParseSetFlag("no-value"));
  EXPECT_FALSE(ParseSetFlag("=x"));
}

TEST(ExpandVariables, ReplacesEveryFormTheCollectorKnows) {
  EXPECT_EQ(Expand("${env:A}", {{"A", "1"}}).scalar, "1");
  EXPECT_EQ(Expand("x-${A}-y", {{"A", "1"}}).scalar, "x-1-y");
  EXPECT_EQ(Expand("${env:A:-fallback}", {}).scalar, "fallback");
  EXPECT_EQ(Expand("${env:A:-fallback}", {{"A", ""}}).scalar, "");
  EXPECT_EQ(Expand("$$A and $A", {{"A", "1"}}).scalar, "$A and $A");
  EXPECT_EQ(Expand("${env:P${env:Q}}", {{"Q", "2"}, {"P2", "deep"}}).scalar,
            "deep");
}

TEST(ExpandVariables, LetsOneExpressionAloneBeAList) {
  EXPECT_EQ(Expand("${A}", {{"A", "[x, y]"}}).list.size(), 2u);
}

TEST(ExpandVariables, NamesPlaceAndTextOfWhatItCannotExpand) {
  std::string error;
  Expand("${env:1A}", {}, &error);
  EXPECT_EQ(error, "a.yml:1: '1A' is no variable name in 'env:1A'");
  Expand("${A", {}, &error);
  EXPECT_EQ(error, "a.yml:1: '${' without '}' in '${A'");
  Expand("${A}", {{"A", "${A}"}}, &error);
  EXPECT_NE(error.find("cycle"), std::string::npos);
}

TEST(ParseYaml, RefusesAliasesThatMakeMillionsOfValues) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int n = 0; n < 10; ++n) {
      text += (n > 0 ? ", *a" : "*a") + std::to_string(i - 1);
    }
    text += "]\n";
  }
  EXPECT_NE(ErrorOf(text).find("more than 100000 values"), std::string::npos);
}

TEST(ContentHash, SaysWhetherTwoSaySame) {
  const auto hash = [](const std::string& text) {
    return ContentHash(Yaml(text));
  };
  const uint64_t one = hash("a: 1\nb: {c: [x, y]}\n");
  EXPECT_EQ(one, hash("b:\n  c:\n  - x\n  - y\na: 1  # the same\n"));
  EXPECT_NE(one, hash("a: 2\nb: {c: [x, y]}\n"));
  EXPECT_NE(one, hash("a: 1\nb: {c: [y, x]}\n"));
  EXPECT_NE(one, hash("a: 1\nb: {d: [x, y]}\n"));
  EXPECT_NE(hash("a: {}\n"), hash("a: []\n"));
  EXPECT_EQ(hash("auth: {token: x}\n"), hash("auth: {token: y}\n"));
}

}  // namespace
}  // namespace khtrace::config
