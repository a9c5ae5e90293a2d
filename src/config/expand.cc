// SPDX-License-Identifier: Apache-2.0
// Variable expansion as the Collector's confmap does it.
#include <fmt/format.h>

#include "config/config_node.h"

namespace khtrace::config {
namespace {

constexpr int kMaxRounds = 16;  // an expansion may name others; cycles end

bool IsName(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (name.empty() || !letter(name[0])) return false;
  for (const char c : name) {
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

class Expander {
 public:
  Expander(const ConfigNode& at, const LookupEnv& env,
           std::vector<std::string>* warnings)
      : at_(at), env_(env), warnings_(warnings) {}

  // Expands `text` once through. `whole` says whether it was one expression.
  Result<std::string> Expand(const std::string& text, bool* whole) {
    std::string out;
    *whole = false;
    for (size_t i = 0; i < text.size();) {
      if (text[i] != '$' || i + 1 == text.size()) {
        out += text[i++];
      } else if (text[i + 1] == '$') {
        out += '$';
        i += 2;
      } else if (text[i + 1] != '{') {
        out += text[i++];  // $NAME stays as it is
      } else {
        const size_t close = ClosingBrace(text, i + 2);
        if (close == std::string::npos) return Fail("'${' without '}'", text);
        ASSIGN_OR_RETURN(const std::string value,
                         Lookup(text.substr(i + 2, close - i - 2), 0));
        out += value;
        *whole = i == 0 && close + 1 == text.size();
        i = close + 1;
      }
    }
    return out;
  }

 private:
  static size_t ClosingBrace(const std::string& text, size_t from) {
    int depth = 1;
    for (size_t i = from; i < text.size(); ++i) {
      if (text[i] == '{' && text[i - 1] == '$') ++depth;
      if (text[i] == '}' && --depth == 0) return i;
    }
    return std::string::npos;
  }

  Error Fail(std::string_view what, std::string_view text) const {
    return {Code::kInvalidArgument,
            fmt::format("{}: {} in '{}'", at_.Place(), what, text)};
  }

  Result<std::string> Lookup(std::string expression, int round) {
    if (round > kMaxRounds) return Fail("variables form a cycle", expression);
    if (expression.find("${") != std::string::npos) {
      bool whole = false;
      ASSIGN_OR_RETURN(expression, Expand(expression, &whole));
    }
    std::string_view rest = expression;
    if (rest.starts_with("env:")) rest.remove_prefix(4);
    const size_t dash = rest.find(":-");
    const std::string name(rest.substr(0, dash));
    if (!IsName(name)) {
      return Fail(fmt::format("'{}' is no variable name", name), expression);
    }
    if (auto value = env_(name)) {
      if (value->find("${") == std::string::npos) return *value;
      if (++nested_ > kMaxRounds) return Fail("variables form a cycle", name);
      bool whole = false;
      return Expand(*value, &whole);
    }
    if (dash != std::string_view::npos) {
      return std::string(rest.substr(dash + 2));
    }
    warnings_->push_back(fmt::format(
        "{}: environment variable {} is not set; using an empty value",
        at_.Place(), name));
    return std::string();
  }

  const ConfigNode& at_;
  const LookupEnv& env_;
  std::vector<std::string>* warnings_;
  int nested_ = 0;
};

}  // namespace

Status ExpandVariables(ConfigNode& node, const LookupEnv& env,
                       std::vector<std::string>* warnings) {
  for (auto& [key, child] : node.map) {
    RETURN_IF_ERROR(ExpandVariables(child, env, warnings));
  }
  for (ConfigNode& child : node.list) {
    RETURN_IF_ERROR(ExpandVariables(child, env, warnings));
  }
  if (node.kind != ConfigNode::Kind::kScalar ||
      node.scalar.find('$') == std::string::npos) {
    return {};
  }
  bool whole = false;
  ASSIGN_OR_RETURN(std::string text,
                   Expander(node, env, warnings).Expand(node.scalar, &whole));
  node.scalar = std::move(text);
  if (!whole) return {};
  // One expression alone may stand for a list or a map.
  if (!node.scalar.empty() &&
      (node.scalar[0] == '[' || node.scalar[0] == '{')) {
    Result<ConfigNode> parsed = ParseSetFlag("x=" + node.scalar);
    if (!parsed) return std::move(parsed).error().With(node.Place());
    ConfigNode value = std::move(parsed->map[0].value);
    value.file = node.file;
    value.line = node.line;
    node = std::move(value);
  }
  return {};
}

}  // namespace khtrace::config
