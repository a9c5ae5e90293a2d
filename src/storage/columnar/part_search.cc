// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_search.h"

#include <algorithm>

#include "base/hash.h"
#include "storage/columnar/encoding_bytes.h"

namespace khtrace::storage::columnar {
namespace {

using model::AttrType;
using model::AttrValue;
using F = ColumnField;

// The column of a condition's field, or kAttribute.
ColumnField ColumnOf(Field field) {
  switch (field) {
    case Field::kName:
      return F::kName;
    case Field::kDuration:
      return F::kDuration;
    case Field::kKind:
      return F::kKind;
    case Field::kStatus:
      return F::kStatus;
    default:
      return F::kAttribute;
  }
}

bool LooksInto(Field field, Table table) {
  if (field == Field::kSpanAttribute) return table == Table::kSpan;
  return field == Field::kAttribute &&
         (table == Table::kSpan || table == Table::kEvent ||
          table == Table::kLink);
}

// The value in a mixed column's text, if its key is `key`.
std::optional<AttrValue> MixedValue(std::string_view text,
                                    std::string_view key) {
  ByteReader reader(text);
  if (reader.Text() != key) return std::nullopt;
  const uint8_t type = reader.U8();
  AttrValue value;
  value.type = static_cast<AttrType>(type);
  if (IsTextType(type)) {
    value.bytes = reader.Rest();
  } else if (value.type != AttrType::kEmpty) {
    value.bits = reader.U64();
  }
  if (value.type == AttrType::kInt) value.bits = BiasInt(value.bits);
  if (!reader.ok() || type > TypeOf(AttrType::kBytes)) return std::nullopt;
  return value;
}

bool HoldsText(const Predicate& predicate, const Column& column,
               std::string_view text) {
  if (!column.is_attribute()) return predicate.HoldsText(text);
  if (column.type == kMixedType) {
    const auto value = MixedValue(text, predicate.condition().key);
    return value && predicate.Holds(*value);
  }
  return predicate.Holds({static_cast<AttrType>(column.type), 0, text});
}

uint64_t BitsOf(const Column& column, uint64_t stored) {
  if (column.type == TypeOf(AttrType::kInt)) return BiasInt(stored);
  if (column.type == TypeOf(AttrType::kBool)) return stored != 0;
  return stored;
}

bool Any(const std::vector<uint8_t>& mask) {
  return std::find(mask.begin(), mask.end(), 1) != mask.end();
}

}  // namespace

PartSearch::PartSearch(const PartFile& file, const model::SpanBatch& scopes,
                       const ScanRequest& request)
    : file_(file), scopes_(scopes), request_(request) {}

// False: no span of the part can meet all conditions.
Result<bool> PartSearch::MakePlans() {
  const std::vector<Column>& columns = file_.footer().columns;
  for (const Condition& condition : request_.conditions) {
    Plan& plan = plans_.emplace_back(Plan{Predicate(condition), {}, false, {}});
    const ColumnField field = ColumnOf(condition.field);
    if (field != F::kAttribute) {
      ASSIGN_OR_RETURN(const bool found,
                       AddTarget(file_.Field(Table::kSpan, field), &plan));
      if (!found) return false;
      continue;
    }
    for (model::RowIndex s = 0; s < scopes_.row_count(); ++s) {
      plan.scopes.push_back(Matches(condition, scopes_, s));
    }
    plan.any_scope = Any(plan.scopes);
    for (uint32_t i = 0; i < columns.size(); ++i) {
      const Column& column = columns[i];
      const bool fits =
          column.is_attribute() && LooksInto(condition.field, column.table) &&
          (column.type == kMixedType || column.key == condition.key);
      if (!fits) continue;
      if (auto added = AddTarget(i, &plan); !added) {
        return std::move(added).error();
      }
    }
    if (!plan.any_scope && plan.targets.empty()) return false;
  }
  // What is cheap and what excludes most, first.
  std::stable_sort(plans_.begin(), plans_.end(),
                   [](const Plan& a, const Plan& b) {
                     return a.targets.size() < b.targets.size();
                   });
  return true;
}

// False, and no target, where the column's dictionary has nothing that holds.
Result<bool> PartSearch::AddTarget(uint32_t number, Plan* plan) {
  const Column& column = file_.column(number);
  Target target;
  target.column = number;
  if (column.dictionary_size > 0) {
    ASSIGN_OR_RETURN(const DecodedTexts* dictionary, file_.Dictionary(number));
    const std::vector<std::string_view>& texts = dictionary->texts;
    target.positions.resize(texts.size());
    if (const auto needle = plan->predicate.Needle(column.type)) {
      const auto at = std::lower_bound(texts.begin(), texts.end(), *needle);
      if (at == texts.end() || *at != *needle) return false;
      target.positions[static_cast<size_t>(at - texts.begin())] = 1;
    } else {
      std::transform(texts.begin(), texts.end(), target.positions.begin(),
                     [&](std::string_view text) -> uint8_t {
                       return HoldsText(plan->predicate, column, text);
                     });
      if (!Any(target.positions)) return false;
    }
  }
  plan->targets.push_back(std::move(target));
  return true;
}

bool PartSearch::TargetMayMatch(const Plan& plan, const Target& target,
                                size_t group) const {
  const Column& column = file_.column(target.column);
  const Chunk& chunk = column.chunks[group];
  return chunk.values > 0 && plan.predicate.MayHold(column, chunk);
}

bool PartSearch::GroupMayMatch(size_t number) const {
  const RowGroup& group = file_.footer().groups[number];
  if (group.max_start < request_.start.ns ||
      group.min_start > request_.end.ns) {
    return false;
  }
  return std::all_of(plans_.begin(), plans_.end(), [&](const Plan& plan) {
    return plan.any_scope ||
           std::any_of(plan.targets.begin(), plan.targets.end(),
                       [&](const Target& target) {
                         return TargetMayMatch(plan, target, number);
                       });
  });
}

Status PartSearch::ReadColumn(uint32_t column, std::vector<uint64_t>* out) {
  const Chunk& chunk = file_.column(column).chunks[group_.number];
  read_bytes_ += chunk.page.length;
  return file_.ReadInts(column, group_.number, 0, chunk.values, out);
}

Status PartSearch::Read(Table table, ColumnField field,
                        std::vector<uint64_t>* out) {
  return ReadColumn(file_.Field(table, field), out);
}

// Leaves those spans that start within the request's time.
Status PartSearch::SelectTimes(Mask* selected) {
  const RowGroup& group = file_.footer().groups[group_.number];
  const uint64_t from = request_.start.ns;
  const uint64_t to = request_.end.ns;
  if (group.min_start >= from && group.max_start <= to) return {};
  std::vector<uint64_t> trace_starts;
  std::vector<uint64_t> spans;
  std::vector<uint64_t> starts;
  RETURN_IF_ERROR(Read(Table::kTrace, F::kTraceStart, &trace_starts));
  RETURN_IF_ERROR(Read(Table::kTrace, F::kSpans, &spans));
  RETURN_IF_ERROR(Read(Table::kSpan, F::kStart, &starts));
  size_t row = 0;
  for (size_t t = 0; t < spans.size(); ++t) {
    uint64_t start = trace_starts[t];
    for (uint64_t i = 0; i < spans[t] && row < starts.size(); ++i, ++row) {
      start += starts[row];
      (*selected)[row] = start >= from && start <= to;
    }
  }
  return {};
}

Result<bool> PartSearch::TestTexts(const Plan& plan, const Target& target,
                                   Mask* hits) {
  const Column& column = file_.column(target.column);
  const Chunk& chunk = column.chunks[group_.number];
  if (const auto needle = plan.predicate.Needle(column.type)) {
    ASSIGN_OR_RETURN(
        const bool may,
        file_.MayContain(target.column, group_.number, Hash64(*needle)));
    if (!may) return false;
  }
  DecodedTexts decoded;
  read_bytes_ += chunk.page.length;
  RETURN_IF_ERROR(
      file_.ReadTexts(target.column, group_.number, 0, chunk.values, &decoded));
  std::transform(decoded.texts.begin(), decoded.texts.end(), hits->begin(),
                 [&](std::string_view text) -> uint8_t {
                   return HoldsText(plan.predicate, column, text);
                 });
  return Any(*hits);
}

Result<bool> PartSearch::TestValues(const Plan& plan, const Target& target,
                                    Mask* hits) {
  const Column& column = file_.column(target.column);
  hits->assign(column.chunks[group_.number].values, 0);
  if (column.is_text() && target.positions.empty()) {
    return TestTexts(plan, target, hits);
  }
  if (!column.has_payload()) {
    const uint8_t holds = plan.predicate.Holds({});
    std::fill(hits->begin(), hits->end(), holds);
    return holds != 0;
  }
  std::vector<uint64_t> values;
  RETURN_IF_ERROR(ReadColumn(target.column, &values));
  if (!target.positions.empty()) {
    std::transform(values.begin(), values.end(), hits->begin(),
                   [&](uint64_t v) { return target.positions[v]; });
  } else if (!column.is_attribute()) {
    std::transform(
        values.begin(), values.end(), hits->begin(),
        [&](uint64_t v) -> uint8_t { return plan.predicate.HoldsInteger(v); });
  } else {
    const auto type = static_cast<AttrType>(column.type);
    std::transform(values.begin(), values.end(), hits->begin(),
                   [&](uint64_t v) -> uint8_t {
                     return plan.predicate.Holds({type, BitsOf(column, v), {}});
                   });
  }
  return Any(*hits);
}

// Values lie dense: the row of each follows from the shapes of all rows, the
// span of an event or link from their numbers.
Status PartSearch::HitsToSpans(const Column& column, uint32_t number,
                               const Mask& hits, Mask* mask) {
  std::vector<uint64_t>& codes =
      group_.shapes[static_cast<size_t>(column.table)];
  if (codes.empty()) {
    RETURN_IF_ERROR(Read(column.table, F::kShape, &codes));
  }
  ASSIGN_OR_RETURN(const TableShapes* shapes, file_.Shapes(column.table));
  std::vector<uint32_t> values_of(shapes->count());
  for (size_t s = 0; s < shapes->count(); ++s) {
    const auto shape = shapes->Shape(s);
    values_of[s] =
        static_cast<uint32_t>(std::count(shape.begin(), shape.end(), number));
  }
  std::vector<uint64_t> children;
  if (column.table != Table::kSpan) {
    RETURN_IF_ERROR(Read(Table::kSpan,
                         column.table == Table::kEvent ? F::kEvents : F::kLinks,
                         &children));
  }
  const Error damaged =
      file_.Locate({Code::kDataLoss, "shapes and values do not agree"}, number,
                   group_.number);
  size_t value = 0;
  size_t span = 0;
  uint64_t last = children.empty() ? 0 : children[0];
  for (size_t row = 0; row < codes.size(); ++row) {
    if (!children.empty()) {
      while (row >= last && ++span < children.size()) last += children[span];
    } else {
      span = row;
    }
    if (codes[row] >= values_of.size() || span >= mask->size()) return damaged;
    const uint32_t count = values_of[codes[row]];
    if (count > hits.size() - value) return damaged;
    for (uint32_t i = 0; i < count; ++i) (*mask)[span] |= hits[value++];
  }
  return {};
}

Status PartSearch::ApplyTarget(const Plan& plan, const Target& target,
                               Mask* mask) {
  if (!TargetMayMatch(plan, target, group_.number)) return {};
  Mask hits;
  ASSIGN_OR_RETURN(const bool any, TestValues(plan, target, &hits));
  if (!any) return {};
  const Column& column = file_.column(target.column);
  if (column.is_attribute()) {
    return HitsToSpans(column, target.column, hits, mask);
  }
  *mask = std::move(hits);
  return {};
}

Status PartSearch::ApplyPlan(const Plan& plan, Mask* selected) {
  Mask mask(selected->size());
  if (plan.any_scope) {
    if (group_.scopes.empty()) {
      RETURN_IF_ERROR(Read(Table::kSpan, F::kScope, &group_.scopes));
    }
    for (size_t i = 0; i < mask.size(); ++i) {
      const uint64_t scope = group_.scopes[i];
      if (scope >= plan.scopes.size()) {
        return file_.Locate({Code::kDataLoss, "no such scope"},
                            file_.Field(Table::kSpan, F::kScope),
                            group_.number);
      }
      mask[i] = plan.scopes[scope];
    }
  }
  for (const Target& target : plan.targets) {
    RETURN_IF_ERROR(ApplyTarget(plan, target, &mask));
  }
  for (size_t i = 0; i < mask.size(); ++i) (*selected)[i] &= mask[i];
  return {};
}

Result<bool> PartSearch::SearchGroup(Mask* selected) {
  selected->assign(file_.footer().groups[group_.number].spans, 1);
  for (const Plan& plan : plans_) {
    RETURN_IF_ERROR(ApplyPlan(plan, selected));
    if (!Any(*selected)) return false;
  }
  Mask times(selected->size(), 1);
  RETURN_IF_ERROR(SelectTimes(&times));
  for (size_t i = 0; i < times.size(); ++i) (*selected)[i] &= times[i];
  return Any(*selected);
}

// Newest first.
Status PartSearch::CollectTraces(const Mask& selected,
                                 std::vector<TraceMatch>* matches) {
  std::vector<uint64_t> spans;
  std::vector<uint64_t> starts;
  std::vector<uint64_t> high;
  std::vector<uint64_t> low;
  RETURN_IF_ERROR(Read(Table::kTrace, F::kSpans, &spans));
  RETURN_IF_ERROR(Read(Table::kTrace, F::kTraceStart, &starts));
  RETURN_IF_ERROR(Read(Table::kTrace, F::kTraceIdHigh, &high));
  RETURN_IF_ERROR(Read(Table::kTrace, F::kTraceIdLow, &low));
  uint64_t end = selected.size();
  for (size_t t = spans.size(); t-- > 0;) {
    if (spans[t] > end) {
      return file_.Locate({Code::kDataLoss, "too many spans"},
                          file_.Field(Table::kTrace, F::kSpans), group_.number);
    }
    const auto first =
        selected.begin() + static_cast<ptrdiff_t>(end - spans[t]);
    const auto last = selected.begin() + static_cast<ptrdiff_t>(end);
    if (std::find(first, last, 1) != last) {
      matches->push_back({{high[t], low[t]}, {starts[t]}});
    }
    end -= spans[t];
  }
  return {};
}

Status PartSearch::SearchGroup(size_t group, std::vector<TraceMatch>* matches) {
  group_ = Group();
  group_.number = group;
  Mask selected;
  ASSIGN_OR_RETURN(const bool any, SearchGroup(&selected));
  return any ? CollectTraces(selected, matches) : Status();
}

Status PartSearch::Run(const RequestContext& context,
                       std::vector<TraceMatch>* matches, ScanStats* stats) {
  ++stats->parts;
  uint64_t inspected = 0;
  Status loss;
  const size_t before = matches->size();
  ASSIGN_OR_RETURN(const bool possible, MakePlans());
  const std::vector<RowGroup>& groups = file_.footer().groups;
  for (size_t g = groups.size(); possible && g-- > 0;) {
    if (!GroupMayMatch(g)) continue;
    RETURN_IF_ERROR(context.Check());
    inspected += groups[g].spans;
    if (Status searched = SearchGroup(g, matches); !searched) {
      if (searched.error().code != Code::kDataLoss) return searched;
      if (loss) loss = std::move(searched);
    }
    // Traces of the groups before start no later than this group's first. As
    // early as that, they may still come first by their id.
    const size_t found = matches->size() - before;
    if (found < request_.limit) continue;
    if (request_.limit == 0 ||
        (*matches)[before + request_.limit - 1].start.ns >
            groups[g].min_start) {
      break;
    }
  }
  if (inspected == 0) ++stats->parts_skipped;
  stats->inspected_spans += inspected;
  stats->inspected_bytes += read_bytes_;
  return loss;
}

}  // namespace khtrace::storage::columnar
