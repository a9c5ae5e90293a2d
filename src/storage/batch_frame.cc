// SPDX-License-Identifier: Apache-2.0
#include "storage/batch_frame.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <optional>
#include <utility>

#include "base/hash.h"

namespace khtrace::storage {
namespace {

using model::AttrRange;
using model::AttrType;
using model::AttrValue;
using model::RowRef;
using model::SpanBatch;
using Form = FrameColumn::Form;

// Finds the attribute under one key in many owners: the key's code is looked
// up once a batch.
class AttributeFinder {
 public:
  explicit AttributeFinder(std::string_view key) : key_(key) {}

  std::optional<AttrValue> Find(const SpanBatch& batch, AttrRange range) {
    if (&batch != batch_) {
      batch_ = &batch;
      code_ = CodeIn(batch);
    }
    if (code_ == kNone) return std::nullopt;
    for (const model::Attr& attr : batch.Attributes(range)) {
      if (attr.key == code_) return batch.Value(attr);
    }
    return std::nullopt;
  }

 private:
  static constexpr model::KeyCode kNone = UINT32_MAX;

  model::KeyCode CodeIn(const SpanBatch& batch) const {
    for (model::KeyCode code = 0; code < batch.key_count(); ++code) {
      if (batch.Key(code) == key_) return code;
    }
    return kNone;
  }

  const std::string_view key_;
  const SpanBatch* batch_ = nullptr;
  model::KeyCode code_ = kNone;
};

class BatchFrame : public TraceFrame {
 public:
  BatchFrame(std::shared_ptr<const FrameRequest> request,
             std::vector<RowRef> rows, std::vector<model::SpanBatchPtr> batches)
      : request_(std::move(request)),
        rows_(std::move(rows)),
        batches_(std::move(batches)),
        columns_(request_->columns.size()) {
    FindTraces();
  }

  uint32_t span_count() const override {
    return static_cast<uint32_t>(rows_.size());
  }
  uint32_t trace_count() const override {
    return static_cast<uint32_t>(ids_.size());
  }
  uint64_t bytes_read() const override { return 0; }

  Result<const FrameTraces*> Traces() override { return &traces_; }
  Result<const std::vector<model::TraceId>*> TraceIds() override {
    return &ids_;
  }
  Result<const std::vector<uint32_t>*> Parents() override;
  Result<const std::vector<uint32_t>*> EventEnds() override;
  Result<const std::vector<uint32_t>*> LinkEnds() override;
  Result<const FrameColumn*> Column(size_t index) override;
  void Forget(size_t index) override { columns_[index].reset(); }
  Result<bool> MayHaveText(size_t, std::string_view) override { return true; }
  Result<bool> MayHaveInt(size_t, int64_t, int64_t) override { return true; }

 private:
  void FindTraces();
  FrameColumn Make(const FrameKey& key);
  FrameColumn MakeNumberColumn(FrameField field) const;
  FrameColumn MakeTextColumn(FrameField field) const;
  FrameColumn MakeScopeColumn(const FrameKey& key) const;
  FrameColumn MakeEventColumn(const FrameKey& key) const;
  FrameColumn MakeLinkColumn(const FrameKey& key);
  // value(batch, row) gives each span's value.
  template <typename Value>
  FrameColumn Ints(const Value& value) const;
  template <typename Value>
  FrameColumn Values(const Value& value) const;
  // value(batch, event) gives each event's.
  template <typename Value>
  FrameColumn EventValues(const Value& value) const;
  template <typename Value>
  FrameColumn LinkValues(const Value& value) const;

  const std::shared_ptr<const FrameRequest> request_;
  const std::vector<RowRef> rows_;
  const std::vector<model::SpanBatchPtr> batches_;
  FrameTraces traces_;
  std::vector<model::TraceId> ids_;
  std::optional<std::vector<uint32_t>> parents_;
  std::optional<std::vector<uint32_t>> event_ends_;
  std::optional<std::vector<uint32_t>> link_ends_;
  std::vector<std::optional<FrameColumn>> columns_;
  std::deque<std::string> texts_;  // made for columns
};

void Append(const std::optional<AttrValue>& value, FrameColumn* column) {
  column->values.push_back(value.value_or(AttrValue{}));
  column->present.push_back(value.has_value());
}

std::optional<AttrValue> NonEmpty(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return AttrValue::String(text);
}

// A column without any value takes no memory.
FrameColumn OrAbsent(FrameColumn column) {
  const bool any = std::find(column.present.begin(), column.present.end(), 1) !=
                   column.present.end();
  return any ? std::move(column) : FrameColumn();
}

void BatchFrame::FindTraces() {
  uint64_t end = 0;
  const auto close = [&] {
    if (traces_.starts.empty()) return;
    const uint64_t start = traces_.starts.back();
    traces_.durations.push_back(end > start ? end - start : 0);
  };
  for (uint32_t i = 0; i < rows_.size(); ++i) {
    const model::SpanColumns& spans = rows_[i].batch->spans();
    const model::RowIndex row = rows_[i].row;
    if (ids_.empty() || spans.trace_id[row] != ids_.back()) {
      close();
      end = 0;
      ids_.push_back(spans.trace_id[row]);
      traces_.starts.push_back(spans.start[row].ns);
      traces_.first_rows.push_back(i);
    }
    end = std::max(end, spans.end[row].ns);
  }
  close();
  traces_.first_rows.push_back(span_count());
}

Result<const std::vector<uint32_t>*> BatchFrame::Parents() {
  if (parents_) return &*parents_;
  parents_.emplace();
  parents_->reserve(rows_.size());
  boost::unordered_flat_map<uint64_t, uint32_t> by_id;
  for (uint32_t t = 0; t < trace_count(); ++t) {
    by_id.clear();
    const uint32_t end = traces_.first_rows[t + 1];
    for (uint32_t i = traces_.first_rows[t]; i < end; ++i) {
      const SpanBatch& batch = *rows_[i].batch;
      by_id.emplace(batch.spans().span_id[rows_[i].row].value, i);
    }
    for (uint32_t i = traces_.first_rows[t]; i < end; ++i) {
      const model::SpanId parent =
          rows_[i].batch->spans().parent_span_id[rows_[i].row];
      const auto found = by_id.find(parent.value);
      parents_->push_back(parent.IsZero()        ? kRoot
                          : found == by_id.end() ? kOrphan
                                                 : found->second);
    }
  }
  return &*parents_;
}

Result<const std::vector<uint32_t>*> BatchFrame::EventEnds() {
  if (event_ends_) return &*event_ends_;
  event_ends_.emplace();
  uint32_t end = 0;
  for (const RowRef& ref : rows_) {
    end += ref.batch->EventRange(ref.row).size();
    event_ends_->push_back(end);
  }
  return &*event_ends_;
}

Result<const std::vector<uint32_t>*> BatchFrame::LinkEnds() {
  if (link_ends_) return &*link_ends_;
  link_ends_.emplace();
  uint32_t end = 0;
  for (const RowRef& ref : rows_) {
    end += ref.batch->LinkRange(ref.row).size();
    link_ends_->push_back(end);
  }
  return &*link_ends_;
}

template <typename Value>
FrameColumn BatchFrame::Ints(const Value& value) const {
  FrameColumn column;
  column.form = Form::kInts;
  column.bits.reserve(rows_.size());
  for (const RowRef& ref : rows_) {
    column.bits.push_back(value(*ref.batch, ref.row));
  }
  return column;
}

template <typename Value>
FrameColumn BatchFrame::Values(const Value& value) const {
  FrameColumn column;
  column.form = Form::kValues;
  column.values.reserve(rows_.size());
  for (const RowRef& ref : rows_) Append(value(*ref.batch, ref.row), &column);
  return OrAbsent(std::move(column));
}

template <typename Value>
FrameColumn BatchFrame::EventValues(const Value& value) const {
  FrameColumn column;
  column.form = Form::kValues;
  for (const RowRef& ref : rows_) {
    const AttrRange range = ref.batch->EventRange(ref.row);
    for (uint32_t i = range.begin; i < range.end; ++i) {
      Append(value(*ref.batch, i), &column);
    }
  }
  return OrAbsent(std::move(column));
}

template <typename Value>
FrameColumn BatchFrame::LinkValues(const Value& value) const {
  FrameColumn column;
  column.form = Form::kValues;
  for (const RowRef& ref : rows_) {
    const AttrRange range = ref.batch->LinkRange(ref.row);
    for (uint32_t i = range.begin; i < range.end; ++i) {
      Append(value(*ref.batch, i), &column);
    }
  }
  return OrAbsent(std::move(column));
}

// Of resources and scopes: one code a scope of each batch.
FrameColumn BatchFrame::MakeScopeColumn(const FrameKey& key) const {
  FrameColumn column;
  column.form = Form::kCodes;
  auto dictionary = std::make_shared<FrameDictionary>();
  boost::unordered_flat_map<std::pair<const SpanBatch*, uint32_t>, uint32_t>
      codes;
  AttributeFinder finder(key.key);
  const auto value_of = [&](const SpanBatch& batch, uint32_t number) {
    const model::Scope& scope = batch.scopes()[number];
    switch (key.field) {
      case FrameField::kScopeName:
        return NonEmpty(batch.String(scope.name));
      case FrameField::kScopeVersion:
        return NonEmpty(batch.String(scope.version));
      case FrameField::kScopeAttribute:
        return finder.Find(batch, scope.attributes);
      default:
        return finder.Find(batch, batch.resources()[scope.resource].attributes);
    }
  };
  for (const RowRef& ref : rows_) {
    const uint32_t scope = ref.batch->spans().scope[ref.row];
    const auto [at, added] = codes.try_emplace(
        {ref.batch, scope}, static_cast<uint32_t>(dictionary->values.size()));
    if (added) {
      const auto value = value_of(*ref.batch, scope);
      dictionary->values.push_back(value.value_or(AttrValue{}));
      dictionary->present.push_back(value.has_value());
    }
    column.codes.push_back(at->second);
  }
  const std::vector<uint8_t>& present = dictionary->present;
  if (std::find(present.begin(), present.end(), 1) == present.end()) return {};
  column.dictionary = std::move(dictionary);
  return column;
}

FrameColumn BatchFrame::MakeNumberColumn(FrameField field) const {
  switch (field) {
    case FrameField::kStart:
      return Ints([](const SpanBatch& b, model::RowIndex row) {
        return b.spans().start[row].ns;
      });
    case FrameField::kDuration:
      return Ints([](const SpanBatch& b, model::RowIndex row) {
        return b.DurationNanos(row);
      });
    case FrameField::kKind:
      return Ints([](const SpanBatch& b, model::RowIndex row) {
        return static_cast<uint64_t>(b.spans().kind[row]);
      });
    case FrameField::kStatus:
      return Ints([](const SpanBatch& b, model::RowIndex row) {
        return static_cast<uint64_t>(b.spans().status[row]);
      });
    case FrameField::kSpanId:
      return Ints([](const SpanBatch& b, model::RowIndex row) {
        return b.spans().span_id[row].value;
      });
    default: {  // kParentId
      FrameColumn column = Ints([](const SpanBatch& b, model::RowIndex row) {
        return b.spans().parent_span_id[row].value;
      });
      for (const uint64_t id : column.bits) column.present.push_back(id != 0);
      return column;
    }
  }
}

FrameColumn BatchFrame::MakeTextColumn(FrameField field) const {
  const auto column = field == FrameField::kName ? &model::SpanColumns::name
                      : field == FrameField::kStatusMessage
                          ? &model::SpanColumns::status_message
                          : &model::SpanColumns::trace_state;
  return Values([column](const SpanBatch& b, model::RowIndex row) {
    return std::optional(AttrValue::String(b.String((b.spans().*column)[row])));
  });
}

FrameColumn BatchFrame::MakeEventColumn(const FrameKey& key) const {
  AttributeFinder finder(key.key);
  switch (key.field) {
    case FrameField::kEventName:
      return EventValues([](const SpanBatch& b, uint32_t event) {
        return std::optional(
            AttrValue::String(b.String(b.events().name[event])));
      });
    case FrameField::kEventTime:
      return EventValues([](const SpanBatch& b, uint32_t event) {
        return std::optional(
            AttrValue::Int(static_cast<int64_t>(b.events().time[event].ns)));
      });
    default:
      return EventValues([&](const SpanBatch& b, uint32_t event) {
        return finder.Find(b, b.events().attributes[event]);
      });
  }
}

FrameColumn BatchFrame::MakeLinkColumn(const FrameKey& key) {
  AttributeFinder finder(key.key);
  switch (key.field) {
    case FrameField::kLinkTraceId:
      return LinkValues([this](const SpanBatch& b, uint32_t link) {
        return std::optional(AttrValue::String(
            texts_.emplace_back(b.links().trace_id[link].ToHex())));
      });
    case FrameField::kLinkSpanId:
      return LinkValues([](const SpanBatch& b, uint32_t link) {
        return std::optional(AttrValue::Int(
            static_cast<int64_t>(b.links().span_id[link].value)));
      });
    default:
      return LinkValues([&](const SpanBatch& b, uint32_t link) {
        return finder.Find(b, b.links().attributes[link]);
      });
  }
}

FrameColumn BatchFrame::Make(const FrameKey& key) {
  switch (key.field) {
    case FrameField::kName:
    case FrameField::kStatusMessage:
    case FrameField::kTraceState:
      return MakeTextColumn(key.field);
    case FrameField::kSpanAttribute: {
      AttributeFinder finder(key.key);
      return Values([&](const SpanBatch& b, model::RowIndex row) {
        return finder.Find(b, b.spans().attributes[row]);
      });
    }
    case FrameField::kResourceAttribute:
    case FrameField::kScopeAttribute:
    case FrameField::kScopeName:
    case FrameField::kScopeVersion:
      return MakeScopeColumn(key);
    case FrameField::kEventName:
    case FrameField::kEventTime:
    case FrameField::kEventAttribute:
      return MakeEventColumn(key);
    case FrameField::kLinkTraceId:
    case FrameField::kLinkSpanId:
    case FrameField::kLinkAttribute:
      return MakeLinkColumn(key);
    default:
      return MakeNumberColumn(key.field);
  }
}

Result<const FrameColumn*> BatchFrame::Column(size_t index) {
  std::optional<FrameColumn>& column = columns_[index];
  if (!column) column = Make(request_->columns[index]);
  return &*column;
}

}  // namespace

std::unique_ptr<TraceFrame> MakeBatchFrame(
    std::shared_ptr<const FrameRequest> request, std::vector<RowRef> rows,
    std::vector<model::SpanBatchPtr> batches) {
  return std::make_unique<BatchFrame>(std::move(request), std::move(rows),
                                      std::move(batches));
}

}  // namespace khtrace::storage
