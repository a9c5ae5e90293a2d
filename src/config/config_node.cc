// SPDX-License-Identifier: Apache-2.0
#include "config/config_node.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <iterator>

#include "base/hash.h"

namespace khtrace::config {
namespace {

// Deeper documents are refused: they are never meant.
constexpr int kMaxDepth = 64;
// Likewise; a few aliases of aliases make any number.
constexpr int kMaxValues = 100'000;

Error At(const ConfigNode& node, std::string_view what) {
  return {Code::kInvalidArgument, fmt::format("{}: {}", node.Place(), what)};
}

class Converter {
 public:
  explicit Converter(const std::string& file) : file_(file) {}

  Result<ConfigNode> Convert(const YAML::Node& yaml, int depth = 0) {
    ConfigNode node;
    node.file = file_;
    node.line = yaml.Mark().line + 1;
    if (depth > kMaxDepth) {
      return At(node, fmt::format("nested more than {} deep", kMaxDepth));
    }
    if (++values_ > kMaxValues) {
      return At(node, fmt::format("more than {} values, those that aliases "
                                  "repeat counted each time",
                                  kMaxValues));
    }
    switch (yaml.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        return node;
      case YAML::NodeType::Scalar:
        node.kind = ConfigNode::Kind::kScalar;
        node.scalar = yaml.Scalar();
        return node;
      case YAML::NodeType::Sequence:
        return ConvertList(yaml, depth, std::move(node));
      case YAML::NodeType::Map:
        break;
    }
    return ConvertMap(yaml, depth, std::move(node));
  }

 private:
  Result<ConfigNode> ConvertList(const YAML::Node& yaml, int depth,
                                 ConfigNode node) {
    node.kind = ConfigNode::Kind::kList;
    for (const YAML::Node& element : yaml) {
      ASSIGN_OR_RETURN(ConfigNode child, Convert(element, depth + 1));
      node.list.push_back(std::move(child));
    }
    return node;
  }

  Result<ConfigNode> ConvertMap(const YAML::Node& yaml, int depth,
                                ConfigNode node) {
    node.kind = ConfigNode::Kind::kMap;
    for (const auto& entry : yaml) {
      ASSIGN_OR_RETURN(ConfigNode child, Convert(entry.second, depth + 1));
      child.line = entry.first.Mark().line + 1;  // where its key stands
      const std::string& key = entry.first.Scalar();
      if (node.Find(key) != nullptr) {
        return At(child, fmt::format("key '{}' stands twice", key));
      }
      node.map.push_back({key, std::move(child)});
    }
    return node;
  }

  const std::string& file_;
  int values_ = 0;
};

bool LooksSecret(std::string_view key) {
  constexpr std::string_view kWords[] = {"token", "password", "secret"};
  return std::any_of(std::begin(kWords), std::end(kWords), [&](auto word) {
    return key.find(word) != std::string_view::npos;
  });
}

}  // namespace

const ConfigNode* ConfigNode::Find(std::string_view key) const {
  for (const auto& [name, node] : map) {
    if (name == key) return &node;
  }
  return nullptr;
}

std::string ConfigNode::Place() const {
  return line == 0 ? file : fmt::format("{}:{}", file, line);
}

Result<ConfigNode> ParseYaml(const std::string& text, const std::string& file) {
  try {
    ASSIGN_OR_RETURN(ConfigNode root,
                     Converter(file).Convert(YAML::Load(text)));
    if (root.kind == ConfigNode::Kind::kScalar ||
        root.kind == ConfigNode::Kind::kList) {
      return At(root, "the document is not a map of sections");
    }
    root.kind = ConfigNode::Kind::kMap;
    return root;
  } catch (const YAML::Exception& e) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}:{}: cannot read YAML: {}", file,
                             e.mark.line + 1, e.msg)};
  }
}

void Merge(ConfigNode& into, ConfigNode from) {
  if (into.kind != ConfigNode::Kind::kMap ||
      from.kind != ConfigNode::Kind::kMap) {
    into = std::move(from);
    return;
  }
  for (ConfigNode::Entry& entry : from.map) {
    const auto known =
        std::find_if(into.map.begin(), into.map.end(),
                     [&](const auto& e) { return e.key == entry.key; });
    if (known == into.map.end()) {
      into.map.push_back(std::move(entry));
    } else {
      Merge(known->value, std::move(entry.value));
    }
  }
}

Result<ConfigNode> ParseSetFlag(const std::string& flag) {
  const size_t equals = flag.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Error{Code::kInvalidArgument,
                 fmt::format("--set '{}': expected key.path=value", flag)};
  }
  ConfigNode value;
  const std::string source = "--set";
  try {
    ASSIGN_OR_RETURN(
        value, Converter(source).Convert(YAML::Load(flag.substr(equals + 1))));
  } catch (const YAML::Exception& e) {
    return Error{Code::kInvalidArgument,
                 fmt::format("--set '{}': {}", flag, e.msg)};
  }
  value.line = 0;
  // From the last key to the first, each wrapping what came before.
  std::string_view path(flag.data(), equals);
  while (!path.empty()) {
    const size_t separator = path.find_last_of(".:");
    const bool first = separator == std::string_view::npos;
    const std::string_view key = first ? path : path.substr(separator + 1);
    path = first ? std::string_view() : path.substr(0, separator);
    while (!path.empty() && path.back() == ':') path.remove_suffix(1);
    ConfigNode parent;
    parent.kind = ConfigNode::Kind::kMap;
    parent.file = "--set";
    parent.map.push_back({std::string(key), std::move(value)});
    value = std::move(parent);
  }
  return value;
}

uint64_t ContentHash(const ConfigNode& node) {
  uint64_t hash = Mix64(static_cast<uint64_t>(node.kind) + 1);
  if (node.kind == ConfigNode::Kind::kScalar) {
    return Hash64(node.scalar, hash);
  }
  for (const ConfigNode& item : node.list) {
    hash = Mix64(hash ^ ContentHash(item));
  }
  uint64_t entries = 0;  // a sum: their order says nothing
  for (const ConfigNode::Entry& entry : node.map) {
    const uint64_t value =
        LooksSecret(entry.key) ? 0 : ContentHash(entry.value);
    entries += Mix64(Hash64(entry.key) ^ value);
  }
  return hash ^ entries;
}

}  // namespace khtrace::config
