// SPDX-License-Identifier: Apache-2.0
#include "query/judging.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "aggregate/span_traits.h"
#include "query/mentions.h"
#include "traceql/attribute.h"

namespace khtrace::query {
namespace {

using aggregate::Trait;
using storage::FrameDictionary;
using storage::FrameField;
using traceql::Intrinsic;

// Owns its texts: folds that are cached keep dictionaries they have seen.
struct OwnDictionary : FrameDictionary {
  std::vector<std::string> texts;
};

template <typename Texts>
std::shared_ptr<const FrameDictionary> DictionaryOf(const Texts& texts) {
  auto out = std::make_shared<OwnDictionary>();
  out->texts.assign(texts.begin(), texts.end());
  for (const std::string& text : out->texts) {
    out->values.push_back(model::AttrValue::String(text));
    out->present.push_back(1);
  }
  out->values.emplace_back();
  out->present.push_back(0);
  return out;
}

template <typename Mentions>
bool AnyJudgement(const Mentions& mentions) {
  return std::any_of(
      mentions.begin(), mentions.end(),
      [](const Mention& mention) { return IsJudgement(mention.attribute); });
}

Error NoJudge() {
  return Error{Code::kUnimplemented,
               "cannot evaluate perf:category and perf:grade: no categories "
               "and targets are known here"};
}

}  // namespace

size_t GradeOf(uint64_t duration_nanos, const std::array<uint64_t, 4>& bands) {
  size_t grade = 0;
  while (grade < bands.size() && duration_nanos >= bands[grade]) ++grade;
  return grade;
}

bool IsJudgement(const traceql::Attribute& attribute) {
  return attribute.intrinsic == Intrinsic::kPerfCategory ||
         attribute.intrinsic == Intrinsic::kPerfGrade;
}

bool MentionsJudgement(const traceql::Query& query) {
  return AnyJudgement(MentionsOf(query));
}

bool MentionsJudgement(const traceql::FieldExpr& expr) {
  return AnyJudgement(MentionsOf(expr));
}

Status CheckJudge(const traceql::Query& query, const SpanJudge* judge) {
  if (judge != nullptr || !MentionsJudgement(query)) return {};
  return NoJudge();
}

void AddJudging(const SpanJudge& judge,
                const storage::AttributeKeys::Keys& keys, ColumnSet* columns) {
  auto judging = std::make_shared<Judging>();
  judging->judge = &judge;
  judging->name = columns->Add(FrameField::kName);
  judging->service =
      columns->Add(FrameField::kResourceAttribute, "service.name");
  judging->kind = columns->Add(FrameField::kKind);
  judging->duration = columns->Add(FrameField::kDuration);
  judging->identity = judge.identity();
  for (const std::string& key : keys) {
    const Trait trait = aggregate::TraitOfKey(key);
    if (trait == Trait::kNone) continue;
    judging->traits.emplace_back(trait, columns->AddPassing(key));
    judging->identity += '\n';
    judging->identity += key;
  }
  std::stable_sort(
      judging->traits.begin(), judging->traits.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; });
  judging->categories = DictionaryOf(judge.categories());
  judging->grades = DictionaryOf(kGradeNames);
  columns->SetJudging(std::move(judging));
}

// Keys of all times: a trace within the range has spans outside of it.
Status AddJudging(storage::TraceReader& reader, const RequestContext& context,
                  const traceql::Query& query, const SpanJudge* judge,
                  ColumnSet* columns) {
  RETURN_IF_ERROR(CheckJudge(query, judge));
  if (judge == nullptr || !MentionsJudgement(query)) return {};
  ASSIGN_OR_RETURN(const storage::AttributeKeys keys,
                   reader.Keys(context, UnixNanos{0}, UnixNanos::Max()));
  AddJudging(*judge, keys.span, columns);
  return {};
}

}  // namespace khtrace::query
