// SPDX-License-Identifier: Apache-2.0
#include "config/config_node.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

namespace khtrace::config {
namespace {

// Deeper documents are refused: they are never meant.
constexpr int kMaxDepth = 64;

Error At(const ConfigNode& node, std::string_view what) {
  return {Code::kInvalidArgument, fmt::format("{}: {}", node.Place(), what)};
}

Result<ConfigNode> Convert(const YAML::Node& yaml, const std::string& file,
                           int depth) {
  ConfigNode node;
  node.file = file;
  node.line = yaml.Mark().line + 1;
  if (depth > kMaxDepth) {
    return At(node, fmt::format("nested more than {} deep", kMaxDepth));
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
      node.kind = ConfigNode::Kind::kList;
      for (const YAML::Node& element : yaml) {
        ASSIGN_OR_RETURN(ConfigNode child, Convert(element, file, depth + 1));
        node.list.push_back(std::move(child));
      }
      return node;
    case YAML::NodeType::Map:
      break;
  }
  node.kind = ConfigNode::Kind::kMap;
  for (const auto& entry : yaml) {
    ASSIGN_OR_RETURN(ConfigNode child, Convert(entry.second, file, depth + 1));
    child.line = entry.first.Mark().line + 1;  // where its key stands
    const std::string& key = entry.first.Scalar();
    if (node.Find(key) != nullptr) {
      return At(child, fmt::format("key '{}' stands twice", key));
    }
    node.map.push_back({key, std::move(child)});
  }
  return node;
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
    ASSIGN_OR_RETURN(ConfigNode root, Convert(YAML::Load(text), file, 0));
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
  try {
    ASSIGN_OR_RETURN(value,
                     Convert(YAML::Load(flag.substr(equals + 1)), "--set", 0));
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

}  // namespace khtrace::config
