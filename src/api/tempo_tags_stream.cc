// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "api/tempo_common.h"
#include "api/tempo_tags.h"
#include "wire/protobuf.h"

// SearchTagsResponse: tagNames = 1, metrics = 2
// SearchTagsV2Response: scopes = 1 {name = 1, tags = 2}, metrics = 2
// SearchTagValuesResponse: tagValues = 1, metrics = 2
// SearchTagValuesV2Response: tagValues = 1 {type = 1, value = 2}, metrics = 2
// MetadataMetrics: inspectedBytes = 1, totalJobs = 2, completedJobs = 3,
//   totalBlocks = 4

namespace khtrace::api {
namespace {

using traceql::Static;

void AppendMetrics(const query::QueryStats& stats, wire::ProtoWriter* w) {
  if (stats.units == 0) return;
  const size_t begin = w->Begin(2);
  const auto number = [w](uint32_t field, uint64_t value) {
    if (value != 0) w->Varint(field, value);
  };
  number(1, stats.inspected_bytes);
  number(2, stats.units);
  number(3, stats.units_done);
  number(4, stats.units);
  w->End(begin);
}

}  // namespace

std::string NameStream::Message(std::span<const TagScope> scopes,
                                const query::QueryStats& stats, bool* more) {
  std::string body;
  wire::ProtoWriter w(body);
  last_.clear();
  *more = false;
  for (const TagScope& scope : scopes) {
    std::optional<size_t> begin;
    for (const std::string_view tag : scope.tags) {
      size_t& count = counts_[std::string(scope.name)];
      if (*more || (limit_ != 0 && count == limit_)) break;
      Name name(scope.name, tag);
      if (sent_.contains(name)) continue;
      *more = !body.empty() && body.size() + tag.size() > kMaxMessageBytes;
      if (*more) break;
      if (!mixed_ && !begin) {
        begin = w.Begin(1);
        w.Bytes(1, scope.name);
      }
      w.Bytes(mixed_ ? 1 : 2, tag);
      ++count;
      last_.push_back(name);
      sent_.insert(std::move(name));
    }
    if (begin) w.End(*begin);
  }
  AppendMetrics(stats, &w);
  return body;
}

void NameStream::TakeBack() {
  for (const Name& name : last_) {
    sent_.erase(name);
    --counts_[name.first];
  }
  last_.clear();
}

std::string ValueStream::Message(std::span<const Static> values,
                                 const query::QueryStats& stats,
                                 size_t* taken) {
  std::string body;
  wire::ProtoWriter w(body);
  last_.clear();
  for (*taken = 0; *taken < values.size(); ++*taken) {
    const Static& value = values[*taken];
    std::string text = TagValueText(value);
    if (!body.empty() && body.size() + text.size() > kMaxMessageBytes) break;
    if (typed_) {
      const size_t begin = w.Begin(1);
      w.Bytes(1, TagValueType(value));
      w.Bytes(2, text);
      w.End(begin);
    } else if (sent_.insert(text).second) {
      w.Bytes(1, text);
      last_.push_back(std::move(text));
    }
  }
  AppendMetrics(stats, &w);
  return body;
}

void ValueStream::TakeBack() {
  for (const std::string& text : last_) sent_.erase(text);
  last_.clear();
}

}  // namespace khtrace::api
