// SPDX-License-Identifier: Apache-2.0
#include "config/section_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.h"

namespace khtrace::config {
namespace {

template <typename T>
std::optional<T> ParseInteger(std::string_view text) {
  T value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::string Join(const std::vector<std::string>& items) {
  return fmt::format("[{}]", fmt::join(items, ", "));
}

}  // namespace

SectionReader::SectionReader(const ConfigNode* node, std::string path,
                             ReadReport* report)
    : node_(node), path_(std::move(path)), report_(report) {
  if (node_ == nullptr || node_->kind == ConfigNode::Kind::kMap) return;
  if (node_->kind != ConfigNode::Kind::kNull) {
    report_->errors.push_back(
        fmt::format("{}: {} must be a map of keys", node_->Place(), path_));
    node_ = nullptr;
  }
}

void SectionReader::Fail(const ConfigNode& at, std::string_view key,
                         std::string_view what) {
  report_->errors.push_back(fmt::format("{}: {}{}{}: {}", at.Place(), path_,
                                        path_.empty() || key.empty() ? "" : ".",
                                        key, what));
}

const ConfigNode* SectionReader::Raw(std::string_view key) {
  known_.emplace(key);
  const ConfigNode* child = node_ == nullptr ? nullptr : node_->Find(key);
  return child;
}

SectionReader SectionReader::Section(std::string_view key) {
  return {Raw(key),
          path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key),
          report_};
}

std::vector<SectionReader> SectionReader::List(std::string_view key) {
  const ConfigNode* child = Raw(key);
  const std::string path =
      path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  std::vector<SectionReader> items;
  if (child != nullptr && child->kind == ConfigNode::Kind::kList) {
    for (size_t i = 0; i < child->list.size(); ++i) {
      items.emplace_back(&child->list[i], fmt::format("{}[{}]", path, i),
                         report_);
    }
  } else if (child != nullptr && child->kind != ConfigNode::Kind::kNull) {
    Fail(*child, key, "expected a list");
  }
  items.emplace_back(nullptr, path + "[]", report_);
  return items;
}

const ConfigNode* SectionReader::Take(std::string_view key,
                                      std::string_view type,
                                      std::string default_value,
                                      std::string_view help) {
  report_->docs.push_back(
      {path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key),
       std::string(type), std::move(default_value), std::string(help)});
  const ConfigNode* child = Raw(key);
  const bool null = child != nullptr && child->kind == ConfigNode::Kind::kNull;
  return null ? nullptr : child;
}

const std::string* SectionReader::TakeScalar(std::string_view key,
                                             std::string_view type,
                                             std::string default_value,
                                             std::string_view help) {
  const ConfigNode* child = Take(key, type, std::move(default_value), help);
  if (child == nullptr) return nullptr;
  if (child->kind != ConfigNode::Kind::kScalar) {
    Fail(*child, key, fmt::format("expected a {}", type));
    return nullptr;
  }
  return &child->scalar;
}

void SectionReader::String(std::string_view key, std::string* field,
                           std::string_view help) {
  if (const std::string* text =
          TakeScalar(key, "text", fmt::format("\"{}\"", *field), help)) {
    *field = *text;
  }
}

void SectionReader::Secrets(std::string_view key, std::vector<Secret>* field,
                            std::string_view help) {
  const ConfigNode* child = Take(key, "list of texts", "[]", help);
  if (child == nullptr) return;
  std::vector<ConfigNode> items = child->list;
  if (child->kind == ConfigNode::Kind::kScalar) items = {*child};
  for (const ConfigNode& item : items) {
    if (item.kind != ConfigNode::Kind::kScalar || item.scalar.empty()) {
      Fail(item, key, "expected a list of non-empty texts");
      return;
    }
    field->emplace_back(item.scalar);
  }
}

void SectionReader::Bool(std::string_view key, bool* field,
                         std::string_view help) {
  const std::string* text =
      TakeScalar(key, "boolean", *field ? "true" : "false", help);
  if (text == nullptr) return;
  if (*text == "true") {
    *field = true;
  } else if (*text == "false") {
    *field = false;
  } else {
    Fail(*node_->Find(key), key,
         fmt::format("'{}' is neither true nor false", *text));
  }
}

void SectionReader::Int(std::string_view key, int64_t min, int64_t max,
                        int64_t* field, std::string_view help) {
  const std::string* text =
      TakeScalar(key, "integer", fmt::format("{}", *field), help);
  if (text == nullptr) return;
  const auto value = ParseInteger<int64_t>(*text);
  if (!value || *value < min || *value > max) {
    Fail(*node_->Find(key), key,
         fmt::format("'{}' is not an integer from {} to {}", *text, min, max));
    return;
  }
  *field = *value;
}

void SectionReader::Fraction(std::string_view key, double* field,
                             std::string_view help) {
  const std::string* text =
      TakeScalar(key, "fraction", fmt::format("{}", *field), help);
  if (text == nullptr) return;
  double value = 0;
  const auto [end, error] =
      std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() ||
      !(value >= 0 && value <= 1)) {
    Fail(*node_->Find(key), key,
         fmt::format("'{}' is not a number from 0 to 1", *text));
    return;
  }
  *field = value;
}

void SectionReader::Bytes(std::string_view key, uint64_t min, uint64_t* field,
                          std::string_view help) {
  const std::string* text =
      TakeScalar(key, "bytes", FormatByteSize(*field), help);
  if (text == nullptr) return;
  const Result<uint64_t> value = ParseByteSize(*text);
  if (!value) {
    Fail(*node_->Find(key), key, value.error().message);
  } else if (*value < min) {
    Fail(*node_->Find(key), key,
         fmt::format("{} is below the least, {}", *text, FormatByteSize(min)));
  } else {
    *field = *value;
  }
}

void SectionReader::Duration(std::string_view key, std::chrono::nanoseconds min,
                             std::chrono::nanoseconds* field,
                             std::string_view help) {
  const std::string* text =
      TakeScalar(key, "duration", FormatGoDuration(*field), help);
  if (text == nullptr) return;
  const auto value = ParseGoDuration(*text);
  if (!value) {
    Fail(*node_->Find(key), key, value.error().message);
  } else if (*value < min) {
    Fail(
        *node_->Find(key), key,
        fmt::format("{} is below the least, {}", *text, FormatGoDuration(min)));
  } else {
    *field = *value;
  }
}

void SectionReader::Strings(std::string_view key,
                            std::vector<std::string>* field,
                            std::string_view help) {
  const ConfigNode* child = Take(key, "list of texts", Join(*field), help);
  if (child == nullptr) return;
  if (child->kind != ConfigNode::Kind::kList) {
    return Fail(*child, key, "expected a list");
  }
  field->clear();
  for (const ConfigNode& item : child->list) {
    if (item.kind != ConfigNode::Kind::kScalar) {
      return Fail(item, key, "expected a list of texts");
    }
    field->push_back(item.scalar);
  }
}

void SectionReader::Texts(
    std::string_view key,
    std::vector<std::pair<std::string, std::string>>* field,
    std::string_view help) {
  const ConfigNode* child = Take(key, "map of texts", "{}", help);
  if (child == nullptr) return;
  if (child->kind != ConfigNode::Kind::kMap) {
    return Fail(*child, key, "expected a map of texts");
  }
  field->clear();
  for (const auto& [name, value] : child->map) {
    if (value.kind != ConfigNode::Kind::kScalar) {
      return Fail(value, key,
                  fmt::format("the value of '{}' is no text", name));
    }
    field->emplace_back(name, value.scalar);
  }
}

void SectionReader::Choice(std::string_view key,
                           std::initializer_list<std::string_view> choices,
                           int* field, std::string_view help) {
  const std::string type = fmt::format("one of {}", fmt::join(choices, ", "));
  const std::string* text =
      TakeScalar(key, type, std::string(choices.begin()[*field]), help);
  if (text == nullptr) return;
  const auto found = std::find(choices.begin(), choices.end(), *text);
  if (found == choices.end()) {
    return Fail(*node_->Find(key), key,
                fmt::format("'{}' is not {}", *text, type));
  }
  *field = static_cast<int>(found - choices.begin());
}

void SectionReader::Endpoint(std::string_view key, std::string* host,
                             uint16_t* port, std::string_view help) {
  const std::string* text =
      TakeScalar(key, "host:port", fmt::format("{}:{}", *host, *port), help);
  if (text == nullptr) return;
  const size_t colon = text->rfind(':');
  const auto number =
      colon == std::string::npos
          ? std::nullopt
          : ParseInteger<uint16_t>(std::string_view(*text).substr(colon + 1));
  if (!number) {
    return Fail(*node_->Find(key), key,
                fmt::format("'{}' is not host:port with a port from 0 to 65535",
                            *text));
  }
  *port = *number;
  std::string name = text->substr(0, colon);
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') {
    name = name.substr(1, name.size() - 2);
  }
  if (!name.empty()) *host = name == "localhost" ? "127.0.0.1" : name;
}

void SectionReader::Finish() {
  if (node_ == nullptr) return;
  for (const auto& [key, child] : node_->map) {
    if (known_.contains(key)) continue;
    std::vector<std::string_view> candidates(known_.begin(), known_.end());
    const auto nearest = NearestWord(key, candidates);
    Fail(child, key,
         nearest ? fmt::format("unknown key, did you mean '{}'?", *nearest)
                 : fmt::format("unknown key; the keys here are {}",
                               fmt::join(known_, ", ")));
  }
}

}  // namespace khtrace::config
