// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/hash.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/part_frame_impl.h"

namespace khtrace::storage::columnar {

using model::AttrType;
using model::AttrValue;
using Form = FrameColumn::Form;

Status PartFrame::Read(uint32_t column, Ints* out) {
  const Chunk& chunk = file_.column(column).chunks[group_];
  bytes_ += chunk.page.length;
  return file_.ReadInts(column, group_, 0, chunk.values, out);
}

Result<const FrameTraces*> PartFrame::Traces() {
  if (has_traces_) return &traces_;
  Ints spans;
  RETURN_IF_ERROR(Read(Table::kTrace, F::kTraceStart, &traces_.starts));
  RETURN_IF_ERROR(Read(Table::kTrace, F::kTraceDuration, &traces_.durations));
  RETURN_IF_ERROR(Read(Table::kTrace, F::kSpans, &spans));
  uint64_t end = 0;
  traces_.first_rows.assign(1, 0);
  for (const uint64_t count : spans) {
    if (count > rows_.spans - end) {
      return Damaged(Table::kTrace, F::kSpans, "too many spans");
    }
    end += count;
    traces_.first_rows.push_back(static_cast<uint32_t>(end));
  }
  if (end != rows_.spans) {
    return Damaged(Table::kTrace, F::kSpans, "too few spans");
  }
  has_traces_ = true;
  return &traces_;
}

Result<const std::vector<model::TraceId>*> PartFrame::TraceIds() {
  if (!ids_.empty()) return &ids_;
  Ints high;
  Ints low;
  RETURN_IF_ERROR(Read(Table::kTrace, F::kTraceIdHigh, &high));
  RETURN_IF_ERROR(Read(Table::kTrace, F::kTraceIdLow, &low));
  for (size_t t = 0; t < low.size(); ++t) ids_.push_back({high[t], low[t]});
  return &ids_;
}

Result<const PartFrame::Ints*> PartFrame::ParentCodes() {
  if (parent_codes_.empty()) {
    RETURN_IF_ERROR(Read(Table::kSpan, F::kParent, &parent_codes_));
  }
  return &parent_codes_;
}

Result<const std::vector<uint32_t>*> PartFrame::Parents() {
  if (parents_) return &*parents_;
  ASSIGN_OR_RETURN(const FrameTraces* traces, Traces());
  ASSIGN_OR_RETURN(const Ints* codes, ParentCodes());
  RowNumbers parents(rows_.spans);
  for (uint32_t t = 0; t < rows_.traces; ++t) {
    const uint32_t first = traces->first_rows[t];
    const uint32_t end = traces->first_rows[t + 1];
    for (uint32_t row = first; row < end; ++row) {
      const uint64_t code = (*codes)[row];
      if (code < kFirstParentDistance) {
        parents[row] = code == kNoParent ? kRoot : kOrphan;
        continue;
      }
      const uint64_t parent =
          row - UnZigZag(code - kFirstParentDistance) - first;
      if (parent >= end - first) {
        return Damaged(Table::kSpan, F::kParent, "a parent outside its trace");
      }
      parents[row] = first + static_cast<uint32_t>(parent);
    }
  }
  parents_ = std::move(parents);
  return &*parents_;
}

Result<const std::vector<uint32_t>*> PartFrame::Ends(
    F field, uint32_t rows, std::optional<RowNumbers>* ends) {
  if (*ends) return &**ends;
  Ints counts;
  RETURN_IF_ERROR(Read(Table::kSpan, field, &counts));
  RowNumbers out;
  out.reserve(counts.size());
  uint64_t end = 0;
  for (const uint64_t count : counts) {
    if (count > rows - end) {
      return Damaged(Table::kSpan, field, "more rows than the row group has");
    }
    end += count;
    out.push_back(static_cast<uint32_t>(end));
  }
  if (end != rows) {
    return Damaged(Table::kSpan, field, "fewer rows than the row group has");
  }
  *ends = std::move(out);
  return &**ends;
}

Result<const FrameColumn*> PartFrame::Column(size_t index) {
  std::optional<FrameColumn>& known = columns_[index];
  if (known) return &*known;
  FrameColumn column;
  RETURN_IF_ERROR(Make(index, &column));
  known = std::move(column);
  return &*known;
}

Status PartFrame::Make(size_t index, FrameColumn* out) {
  const FrameKey& key = part_.request_->columns[index];
  const PartFrames::Source& source = part_.sources_[index];
  if (source.scopes) return MakeScopes(source, out);
  switch (key.field) {
    case FrameField::kSpanAttribute:
    case FrameField::kEventAttribute:
    case FrameField::kLinkAttribute:
      return MakeAttribute(index, out);
    case FrameField::kName:
    case FrameField::kStatusMessage:
    case FrameField::kTraceState:
    case FrameField::kEventName:
      return MakeText(source, out);
    case FrameField::kStart:
      return MakeStarts(out);
    case FrameField::kParentId:
      return MakeParentIds(out);
    case FrameField::kEventTime:
      return MakeEventTimes(out);
    case FrameField::kLinkTraceId:
      return MakeLinkTraceIds(out);
    default:
      out->form = Form::kInts;
      return Read(source.columns.front(), &out->bits);
  }
}

Status PartFrame::MakeText(const PartFrames::Source& source, FrameColumn* out) {
  const uint32_t number = source.columns.front();
  const Chunk& chunk = file_.column(number).chunks[group_];
  if (file_.column(number).dictionary_size > 0) {
    Ints codes;
    RETURN_IF_ERROR(Read(number, &codes));
    ASSIGN_OR_RETURN(out->dictionary, part_.Dictionary(source, false));
    out->form = Form::kCodes;
    out->codes.assign(codes.begin(), codes.end());
    return {};
  }
  bytes_ += chunk.page.length;
  DecodedTexts& decoded = texts_.emplace_back();
  RETURN_IF_ERROR(file_.ReadTexts(number, group_, 0, chunk.values, &decoded));
  out->form = Form::kValues;
  for (const std::string_view text : decoded.texts) {
    out->values.push_back(AttrValue::String(text));
  }
  return {};
}

Status PartFrame::MakeScopes(const PartFrames::Source& source,
                             FrameColumn* out) {
  const std::vector<uint8_t>& present = source.scopes->present;
  if (std::find(present.begin(), present.end(), 1) == present.end()) return {};
  Ints scopes;
  RETURN_IF_ERROR(Read(Table::kSpan, F::kScope, &scopes));
  const size_t count = source.scopes->values.size();
  uint64_t greatest = 0;
  for (const uint64_t scope : scopes) greatest = std::max(greatest, scope);
  if (!scopes.empty() && greatest >= count) {
    return Damaged(Table::kSpan, F::kScope, "no such scope");
  }
  out->form = Form::kCodes;
  out->dictionary = source.scopes;
  out->codes.assign(scopes.begin(), scopes.end());
  return {};
}

Status PartFrame::MakeStarts(FrameColumn* out) {
  ASSIGN_OR_RETURN(const FrameTraces* traces, Traces());
  out->form = Form::kInts;
  RETURN_IF_ERROR(Read(Table::kSpan, F::kStart, &out->bits));
  for (uint32_t t = 0; t < rows_.traces; ++t) {
    uint64_t start = traces->starts[t];
    const uint32_t end = traces->first_rows[t + 1];
    for (uint32_t row = traces->first_rows[t]; row < end; ++row) {
      start += out->bits[row];
      out->bits[row] = start;
    }
  }
  return {};
}

Status PartFrame::MakeParentIds(FrameColumn* out) {
  ASSIGN_OR_RETURN(const RowNumbers* parents, Parents());
  Ints ids;
  Ints unknown;
  RETURN_IF_ERROR(Read(Table::kSpan, F::kSpanId, &ids));
  RETURN_IF_ERROR(Read(Table::kSpan, F::kParentId, &unknown));
  out->form = Form::kInts;
  size_t next = 0;
  for (const uint32_t parent : *parents) {
    out->present.push_back(parent != kRoot);
    if (parent == kOrphan && next == unknown.size()) {
      return Damaged(Table::kSpan, F::kParentId, "too few values");
    }
    out->bits.push_back(parent == kRoot     ? 0
                        : parent == kOrphan ? unknown[next++]
                                            : ids[parent]);
  }
  return {};
}

Status PartFrame::MakeEventTimes(FrameColumn* out) {
  FrameColumn starts;
  RETURN_IF_ERROR(MakeStarts(&starts));
  ASSIGN_OR_RETURN(const RowNumbers* ends, EventEnds());
  out->form = Form::kInts;
  RETURN_IF_ERROR(Read(Table::kEvent, F::kTime, &out->bits));
  uint32_t event = 0;
  for (uint32_t row = 0; row < rows_.spans; ++row) {
    for (; event < (*ends)[row]; ++event) {
      out->bits[event] = starts.bits[row] + UnZigZag(out->bits[event]);
    }
  }
  return {};
}

Status PartFrame::MakeLinkTraceIds(FrameColumn* out) {
  Ints high;
  Ints low;
  RETURN_IF_ERROR(Read(Table::kLink, F::kTraceIdHigh, &high));
  RETURN_IF_ERROR(Read(Table::kLink, F::kTraceIdLow, &low));
  out->form = Form::kValues;
  for (size_t i = 0; i < low.size(); ++i) {
    const std::string& text =
        own_texts_.emplace_back(model::TraceId{high[i], low[i]}.ToHex());
    out->values.push_back(AttrValue::String(text));
  }
  return {};
}

Result<bool> PartFrame::MayHaveText(size_t index, std::string_view text) {
  const PartFrames::Source& source = part_.sources_[index];
  if (source.scopes) return part_.ScopesMayHave(source, text);
  for (const uint32_t number : source.columns) {
    const struct Column& column = file_.column(number);
    const Chunk& chunk = column.chunks[group_];
    if (chunk.values == 0) continue;
    if (column.type != TypeOf(AttrType::kString)) {
      if (column.is_text()) return true;  // arrays, mixed: not known
      continue;
    }
    if (column.dictionary_size == 0) {
      ASSIGN_OR_RETURN(const bool may,
                       file_.MayContain(number, group_, Hash64(text)));
      if (may) return true;
      continue;
    }
    ASSIGN_OR_RETURN(const DecodedTexts* dictionary, file_.Dictionary(number));
    if (std::binary_search(dictionary->texts.begin(), dictionary->texts.end(),
                           text)) {
      return true;
    }
  }
  return false;
}

Result<bool> PartFrame::MayHaveInt(size_t index, int64_t low, int64_t high) {
  const PartFrames::Source& source = part_.sources_[index];
  if (source.scopes) return true;
  for (const uint32_t number : source.columns) {
    const struct Column& column = file_.column(number);
    const Chunk& chunk = column.chunks[group_];
    if (chunk.values == 0) continue;
    const bool text = column.is_text() && column.is_attribute();
    if (column.type != TypeOf(AttrType::kInt) || !chunk.has_zone) {
      if (text && column.type == TypeOf(AttrType::kString)) continue;
      return true;
    }
    const auto bound = [&](uint64_t stored) {
      return static_cast<int64_t>(column.is_attribute() ? BiasInt(stored)
                                                        : stored);
    };
    // Fields are unsigned: a zone beyond what an int64 holds says nothing.
    if (!column.is_attribute() && chunk.max > INT64_MAX) return true;
    if (bound(chunk.min) <= high && bound(chunk.max) >= low) return true;
  }
  return false;
}

}  // namespace khtrace::storage::columnar
