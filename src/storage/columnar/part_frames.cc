// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>
#include <utility>

#include "storage/columnar/part_frame.h"
#include "storage/columnar/part_frame_impl.h"

namespace khtrace::storage::columnar {

using model::AttrType;
using model::AttrValue;
using F = ColumnField;

namespace {

// The part's table and field of what is no attribute and has a column of its
// own.
std::pair<Table, F> PlaceOf(FrameField field) {
  switch (field) {
    case FrameField::kName:
      return {Table::kSpan, F::kName};
    case FrameField::kStart:
      return {Table::kSpan, F::kStart};
    case FrameField::kDuration:
      return {Table::kSpan, F::kDuration};
    case FrameField::kKind:
      return {Table::kSpan, F::kKind};
    case FrameField::kStatus:
      return {Table::kSpan, F::kStatus};
    case FrameField::kStatusMessage:
      return {Table::kSpan, F::kStatusMessage};
    case FrameField::kSpanId:
      return {Table::kSpan, F::kSpanId};
    case FrameField::kParentId:
      return {Table::kSpan, F::kParentId};
    case FrameField::kTraceState:
      return {Table::kSpan, F::kTraceState};
    case FrameField::kEventName:
      return {Table::kEvent, F::kName};
    case FrameField::kEventTime:
      return {Table::kEvent, F::kTime};
    case FrameField::kLinkTraceId:
      return {Table::kLink, F::kTraceIdLow};
    case FrameField::kLinkSpanId:
      return {Table::kLink, F::kSpanId};
    default:
      return {Table::kSpan, F::kScope};
  }
}

std::optional<AttrValue> NonEmpty(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return AttrValue::String(text);
}

std::optional<AttrValue> FindValue(const model::SpanBatch& batch,
                                   model::AttrRange range,
                                   std::string_view key) {
  const model::Attr* attr = batch.Find(range, key);
  if (attr == nullptr) return std::nullopt;
  return batch.Value(*attr);
}

}  // namespace

PartFrames::PartFrames(const PartFile& file, const model::SpanBatch& scopes,
                       std::shared_ptr<const FrameRequest> request)
    : file_(file),
      scopes_(scopes),
      request_(std::move(request)),
      sources_(new Source[request_->columns.size()]) {
  for (size_t i = 0; i < request_->columns.size(); ++i) {
    FindSource(request_->columns[i], &sources_[i]);
  }
}

void PartFrames::FindSource(const FrameKey& key, Source* source) const {
  switch (key.field) {
    case FrameField::kSpanAttribute:
      return FindAttribute(Table::kSpan, key, source);
    case FrameField::kEventAttribute:
      return FindAttribute(Table::kEvent, key, source);
    case FrameField::kLinkAttribute:
      return FindAttribute(Table::kLink, key, source);
    case FrameField::kResourceAttribute:
    case FrameField::kScopeAttribute:
    case FrameField::kScopeName:
    case FrameField::kScopeVersion:
      source->scopes = ScopeValues(key);
      break;
    default:
      break;
  }
  const auto [table, field] = PlaceOf(key.field);
  source->table = table;
  source->columns = {file_.Field(table, field)};
}

void PartFrames::FindAttribute(Table table, const FrameKey& key,
                               Source* source) const {
  source->table = table;
  const std::vector<Column>& columns = file_.footer().columns;
  for (uint32_t i = 0; i < columns.size(); ++i) {
    const Column& column = columns[i];
    if (column.table != table || !column.is_attribute()) continue;
    if (column.type == kMixedType) {
      source->mixed = true;
    } else if (column.key != key.key) {
      continue;
    }
    source->columns.push_back(i);
  }
}

std::shared_ptr<const FrameDictionary> PartFrames::ScopeValues(
    const FrameKey& key) const {
  auto dictionary = std::make_shared<FrameDictionary>();
  for (model::RowIndex s = 0; s < scopes_.row_count(); ++s) {
    const model::Scope& scope = scopes_.ScopeOf(s);
    std::optional<AttrValue> value;
    if (key.field == FrameField::kScopeName) {
      value = NonEmpty(scopes_.String(scope.name));
    } else if (key.field == FrameField::kScopeVersion) {
      value = NonEmpty(scopes_.String(scope.version));
    } else if (key.field == FrameField::kScopeAttribute) {
      value = FindValue(scopes_, scope.attributes, key.key);
    } else {
      value = FindValue(scopes_, scopes_.ResourceOf(s).attributes, key.key);
    }
    dictionary->present.push_back(value.has_value());
    dictionary->values.push_back(value.value_or(AttrValue{}));
  }
  return dictionary;
}

std::span<const uint32_t> PartFrames::ValuesOf(const TableShapes& shapes,
                                               uint32_t column) const {
  MutexLock lock(mu_);
  const auto [at, added] = values_of_.try_emplace(column);
  std::vector<uint32_t>& counts = at->second;  // stays where it is
  if (!added) return counts;
  counts.reserve(shapes.count());
  for (size_t s = 0; s < shapes.count(); ++s) {
    const auto shape = shapes.Shape(s);
    counts.push_back(
        static_cast<uint32_t>(std::count(shape.begin(), shape.end(), column)));
  }
  return counts;
}

bool PartFrames::ScopesMayHave(const Source& source, std::string_view text) {
  const std::vector<AttrValue>& values = source.scopes->values;
  return std::any_of(values.begin(), values.end(), [&](const AttrValue& v) {
    return v.type == AttrType::kArray ||
           (v.type == AttrType::kString && v.bytes == text);
  });
}

Result<std::shared_ptr<const FrameDictionary>> PartFrames::Dictionary(
    const Source& source, bool optional) const {
  std::call_once(source.once, [&] {
    const uint32_t number = source.columns.front();
    const auto type = static_cast<AttrType>(file_.column(number).type);
    auto dictionary = std::make_shared<FrameDictionary>();
    if (optional) dictionary->values.emplace_back();
    if (type == AttrType::kBool) {
      dictionary->values.push_back(AttrValue::Bool(false));
      dictionary->values.push_back(AttrValue::Bool(true));
    } else if (type == AttrType::kEmpty) {
      dictionary->values.emplace_back();
    } else {
      auto texts = file_.Dictionary(number);
      if (!texts) {
        source.status = std::move(texts).error();
        return;
      }
      for (const std::string_view text : (*texts)->texts) {
        dictionary->values.push_back({type, 0, text});
      }
    }
    dictionary->present.assign(dictionary->values.size(), 1);
    if (optional) dictionary->present[0] = 0;
    source.dictionary = std::move(dictionary);
  });
  RETURN_IF_ERROR(source.status);
  return source.dictionary;
}

std::unique_ptr<TraceFrame> PartFrames::Open(
    size_t group, std::vector<uint32_t> excluded) const {
  return std::make_unique<PartFrame>(*this, group, std::move(excluded));
}

}  // namespace khtrace::storage::columnar
