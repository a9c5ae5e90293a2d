// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <vector>

#include "query/frame_eval.h"
#include "query/judging.h"

// The part of FrameEval that makes the columns of perf:category and
// perf:grade.

namespace khtrace::query {
namespace {

using aggregate::Trait;
using storage::FrameColumn;
using Form = FrameColumn::Form;
using Subject = SpanJudge::Subject;
using Judgement = SpanJudge::Judgement;

constexpr std::array kTraits = {Trait::kNone, Trait::kAi, Trait::kDatabase,
                                Trait::kMessaging};
constexpr uint64_t kKinds = 6;

// A column's texts by small numbers; what is no text is "".
class Texts {
 public:
  explicit Texts(const FrameColumn& column) : column_(column) {}

  uint32_t number(uint32_t row) {
    if (column_.form == Form::kCodes) return column_.codes[row];
    return numbers_
        .try_emplace(text(row), static_cast<uint32_t>(numbers_.size()))
        .first->second;
  }
  std::string_view text(uint32_t row) const {
    if (column_.form == Form::kCodes) {
      const uint32_t code = column_.codes[row];
      return column_.dictionary->present[code] != 0
                 ? TextOf(column_.dictionary->values[code])
                 : std::string_view();
    }
    const bool there = column_.form == Form::kValues &&
                       (column_.present.empty() || column_.present[row] != 0);
    return there ? TextOf(column_.values[row]) : std::string_view();
  }

 private:
  static std::string_view TextOf(const model::AttrValue& value) {
    return value.type == model::AttrType::kString ? value.bytes
                                                  : std::string_view();
  }

  const FrameColumn& column_;
  boost::unordered_flat_map<std::string_view, uint32_t> numbers_;
};

// Each combination of service, name and kind in the frame.
struct Subjects {
  std::vector<uint32_t> of_row;
  std::vector<Subject> all;  // without trait
};

Subjects FindSubjects(const FrameColumn& names, const FrameColumn& services,
                      const FrameColumn& kinds, uint32_t rows) {
  // Name and service; the kind is one of few, whatever was sent.
  boost::unordered_flat_map<uint64_t, std::array<uint32_t, kKinds>> numbers;
  constexpr uint32_t kNone = UINT32_MAX;
  Texts name(names);
  Texts service(services);
  Subjects out;
  out.of_row.resize(rows);
  for (uint32_t row = 0; row < rows; ++row) {
    const uint64_t sent = kinds.form == Form::kInts ? kinds.bits[row] : 0;
    const uint64_t kind = sent < kKinds ? sent : 0;
    const uint64_t key = uint64_t{name.number(row)} << 32 | service.number(row);
    const auto [at, added] = numbers.try_emplace(key);
    if (added) at->second.fill(kNone);
    uint32_t& number = at->second[kind];
    if (number == kNone) {
      number = static_cast<uint32_t>(out.all.size());
      out.all.push_back({service.text(row), name.text(row),
                         static_cast<model::SpanKind>(kind), Trait::kNone});
    }
    out.of_row[row] = number;
  }
  return out;
}

void MarkPresent(const FrameColumn& column, Trait trait,
                 std::vector<Trait>* traits) {
  const auto mark = [&](auto present) {
    for (size_t row = 0; row < traits->size(); ++row) {
      Trait& known = (*traits)[row];
      known = known == Trait::kNone && present(row) ? trait : known;
    }
  };
  if (column.form == Form::kAbsent) return;
  if (column.form == Form::kCodes) {
    const std::vector<uint8_t>& present = column.dictionary->present;
    mark([&](size_t row) { return present[column.codes[row]] != 0; });
  } else if (column.present.empty()) {
    mark([](size_t) { return true; });
  } else {
    mark([&](size_t row) { return column.present[row] != 0; });
  }
}

void ToCodes(const std::shared_ptr<const storage::FrameDictionary>& dictionary,
             size_t rows, FrameColumn* column) {
  column->form = Form::kCodes;
  column->dictionary = dictionary;
  // The last code is for "none".
  column->codes.assign(rows,
                       static_cast<uint32_t>(dictionary->values.size() - 1));
}

}  // namespace

// The least trait comes first. Columns that nobody else has read are let go of:
// there may be many, and only whether they have a value is of interest.
Status FrameEval::LoadTraits(const Judging& judging,
                             std::vector<aggregate::Trait>* traits) {
  for (const auto& [trait, index] : judging.traits) {
    const bool kept = index < columns_.size() && columns_[index] != nullptr;
    RETURN_IF_ERROR(LoadColumn(index));
    MarkPresent(*columns_[index], trait, traits);
    if (kept) continue;
    columns_[index] = nullptr;
    frame_.Forget(index);
  }
  return {};
}

Status FrameEval::JudgeRows(const Judging& judging) {
  for (const uint32_t index : {judging.name, judging.service, judging.kind}) {
    RETURN_IF_ERROR(LoadColumn(index));
  }
  const uint32_t rows = frame_.span_count();
  Subjects subjects =
      FindSubjects(*columns_[judging.name], *columns_[judging.service],
                   *columns_[judging.kind], rows);
  JudgedRows judged;
  // Traits behind it change nothing.
  Trait last = Trait::kNone;
  for (Subject& subject : subjects.all) {
    for (const Trait trait : kTraits) {
      subject.trait = trait;
      judged.judgements.push_back(judging.judge->Judge(subject));
      const auto of_none =
          judged.judgements.end() - 1 - static_cast<ptrdiff_t>(trait);
      if (judged.judgements.back() != *of_none) last = std::max(last, trait);
    }
  }
  std::vector<Trait> traits(rows, Trait::kNone);
  Judging needed = judging;
  std::erase_if(needed.traits,
                [last](const auto& trait) { return trait.first > last; });
  RETURN_IF_ERROR(LoadTraits(needed, &traits));
  ToCodes(judging.categories, rows, &judged.categories);
  judged.judgement_of.resize(rows);
  for (uint32_t row = 0; row < rows; ++row) {
    const auto number =
        static_cast<uint32_t>(subjects.of_row[row] * kTraits.size() +
                              static_cast<size_t>(traits[row]));
    judged.judgement_of[row] = number;
    const uint32_t category = judged.judgements[number].category;
    if (category == SpanJudge::kNoCategory) continue;
    judged.categories.codes[row] = category;
  }
  judged_ = std::move(judged);
  return {};
}

Status FrameEval::LoadJudged(const Leaf& leaf) {
  const Judging& judging = *leaf.judging;
  if (!judged_) RETURN_IF_ERROR(JudgeRows(judging));
  if (leaf.kind == Leaf::Kind::kCategory ||
      judged_->grades.form == Form::kCodes) {
    return {};
  }
  RETURN_IF_ERROR(LoadColumn(judging.duration));
  const std::vector<uint64_t>& durations = columns_[judging.duration]->bits;
  const uint32_t rows = frame_.span_count();
  ToCodes(judging.grades, rows, &judged_->grades);
  for (uint32_t row = 0; row < rows; ++row) {
    const Judgement& judgement =
        judged_->judgements[judged_->judgement_of[row]];
    if (!judgement.bands) continue;
    judged_->grades.codes[row] =
        static_cast<uint32_t>(GradeOf(durations[row], *judgement.bands));
  }
  return {};
}

const FrameColumn* FrameEval::ColumnOf(const Leaf& leaf) const {
  if (leaf.parent) return nullptr;
  switch (leaf.kind) {
    case Leaf::Kind::kColumn:
      return columns_[leaf.columns[0]];
    case Leaf::Kind::kCategory:
      return &judged_->categories;
    case Leaf::Kind::kGrade:
      return &judged_->grades;
    default:
      return nullptr;
  }
}

}  // namespace khtrace::query
