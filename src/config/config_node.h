// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace khtrace::config {

// A parsed configuration document: what YAML gives us, with the place that
// each value came from, so that every error can name file and line. Plain
// data.
struct ConfigNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry;

  Kind kind = Kind::kNull;
  std::string scalar;
  std::vector<ConfigNode> list;
  std::vector<Entry> map;  // in the order of the document
  std::string file;        // "--set" for the command line
  int line = 0;            // from 1; 0 = no line

  const ConfigNode* Find(std::string_view key) const;
  // "khtrace.yml:12", or "--set".
  std::string Place() const;
};

struct ConfigNode::Entry {
  std::string key;
  ConfigNode value;
};

// `file` only names the source. kInvalidArgument: malformed YAML, a key that
// stands twice in a map; file and line are in the message.
Result<ConfigNode> ParseYaml(const std::string& text, const std::string& file);

// The Collector's rules for several sources: maps merge key by key, anything
// else (lists, an explicit null) replaces.
void Merge(ConfigNode& into, ConfigNode from);

// "a.b.c=value", the value being YAML; "::" works as separator as well.
Result<ConfigNode> ParseSetFlag(const std::string& flag);

// Names what `node` says, whatever file or order it says it in. Values of keys
// that look like secrets (token, password, secret) are left out.
uint64_t ContentHash(const ConfigNode& node);

using LookupEnv = std::function<std::optional<std::string>(const std::string&)>;
// Replaces ${env:NAME}, ${NAME} and ${env:NAME:-fallback} in every scalar; $$
// is a literal $. A scalar that is one expression and nothing else becomes
// what its text says as YAML. An unset name without fallback is empty and
// gives a warning. kInvalidArgument: a malformed name, an unclosed brace, an
// unknown scheme.
Status ExpandVariables(ConfigNode& node, const LookupEnv& env,
                       std::vector<std::string>* warnings);

}  // namespace khtrace::config
