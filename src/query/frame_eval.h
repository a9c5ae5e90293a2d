// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregate/partial_rows.h"
#include "base/request_context.h"
#include "model/span_batch.h"
#include "query/expression.h"
#include "query/frame_tree.h"
#include "query/profile.h"
#include "query/span_judge.h"
#include "storage/trace_frame.h"

namespace khtrace::query {

// The judgements of a frame's rows.
struct JudgedRows {
  std::vector<uint32_t> judgement_of;  // by row
  std::vector<SpanJudge::Judgement> judgements;
  storage::FrameColumn categories;
  storage::FrameColumn grades;  // kAbsent until they are asked for
};

// Which rows of a frame: one byte each, 0 or 1.
using Mask = std::vector<uint8_t>;

bool AnySet(const Mask& mask);
// Of rows [begin, end).
bool AnySet(const Mask& mask, size_t begin, size_t end);
uint64_t CountSet(const Mask& mask);

// How a condition is decided.
enum class FilterMethod : uint8_t {
  kConstant,
  kAll,       // one child after the other, as OrderOfConditions says
  kAny,       // the children, each for the rows that none before took
  kNot,       // the child, turned over
  kColumn,    // by column; of texts by the values of its dictionary
  kColumns,   // by the columns of span, resource and scope together
  kTraceIds,  // by trace
  kEvents,    // by column, for each event or link
  kRows,      // span by span
};
FilterMethod MethodOf(const Expr& truth);

// The children of a kAll that are decided one after the other, cheap ones
// first; those that have to hold of the same event or link, or may fail, come
// together behind (TogetherByRow).
std::vector<const Expr*> OrderOfConditions(const Expr& all);
bool TogetherByRow(const Expr& all);

// What can rule a condition out without a look at its rows.
enum class Pruning : uint8_t {
  kNone,
  kText,   // dictionaries and filters
  kShown,  // both of them
  kZone,   // the least and the greatest integer
};
Pruning PruningOf(const Expr& truth);

// What predicates say of the values of dictionaries: found out once for all
// frames that share one. Confined to one thread.
class PredicateTables {
 public:
  struct Table {
    std::shared_ptr<const storage::FrameDictionary> dictionary;
    std::vector<uint8_t> holds;  // by code
    bool any = false;
  };
  const Table& Get(const Expr& test,
                   const std::shared_ptr<const storage::FrameDictionary>& of);

 private:
  using Key = std::pair<const Expr*, const storage::FrameDictionary*>;
  boost::unordered_flat_map<Key, std::unique_ptr<Table>> tables_;
};

// One event and one link of a span.
struct Binding {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t event = kNone;
  uint32_t link = kNone;
};

// Runs expressions on one frame. Columns are read when the first expression
// needs them. Confined to one thread.
class FrameEval {
 public:
  // `profile` may be nullptr.
  FrameEval(storage::TraceFrame& frame, PredicateTables& tables,
            const RequestContext& context, Profile* profile = nullptr)
      : frame_(frame),
        tables_(tables),
        context_(context),
        profile_(profile),
        tree_(frame) {}

  storage::TraceFrame& frame() { return frame_; }
  FrameTree& tree() { return tree_; }
  Profile* profile() { return profile_; }

  // False if certainly no row holds; cheap.
  Result<bool> MayHold(const Expr& truth);
  // Takes the rows out of `mask` for which it does not hold. kInvalidArgument:
  // an integer was divided by zero.
  Status Filter(const Expr& truth, Mask* mask);

  // Reads what Value and ValueOf need of an expression.
  Status Load(const Expr& expr);
  Status Load(const Leaf& leaf);
  // Lets go of its columns, until the next Load.
  void Forget(const Leaf& leaf);
  // Of a value that no event or link is bound for: that of the first event and
  // link that have one.
  Value ValueOf(const Expr& expr, uint32_t row);
  Value ValueOf(const Leaf& leaf, uint32_t row, Binding binding = {});
  // The value for each event and link, where it is one of them.
  void ForEachValue(const Expr& expr, uint32_t row,
                    const std::function<void(const Value&)>& visit);
  const storage::FrameColumn& column(uint32_t index) const {
    return *columns_[index];
  }
  // The values of a loaded leaf by row; nullptr if no column is just that.
  const storage::FrameColumn* ColumnOf(const Leaf& leaf) const;
  // The error of what was evaluated since the last call, if it had one; also
  // that of the context, which long work looks at.
  Status TakeError();

 private:
  // Bindings of one span that are tried at most.
  static constexpr uint64_t kMaxBindings = 100'000;

  Status LoadColumn(uint32_t index);
  Status LoadJudged(const Leaf& leaf);
  Status JudgeRows(const Judging& judging);
  Status LoadTraits(const Judging& judging,
                    std::vector<aggregate::Trait>* traits);
  Result<bool> MayHoldTest(const Expr& test);
  Result<bool> MayShow(const Predicate& shown, uint32_t index);
  Status FilterNode(const Expr& truth, Mask* mask);
  Status LoadTree();
  Result<bool> FilterByText(const Expr& test, Mask* mask);
  Status FilterTest(const Expr& test, Mask* mask);
  Status FilterAny(const Expr& test, Mask* mask);
  Status FilterTraceId(const Expr& expr, Mask* mask);
  Status FilterAnd(const Expr& expr, Mask* mask);
  Status FilterOr(const Expr& expr, Mask* mask);
  Status FilterRows(const Expr& expr, Mask* mask);
  void TestColumn(const Expr& test, const storage::FrameColumn& column,
                  size_t rows, const Mask* among, Mask* holds, Mask* present);
  Status FilterEvents(const Expr& test, Mask* mask);
  void TestInts(const Expr& test, const storage::FrameColumn& column,
                const Mask* among, Mask* holds);
  bool HoldsForSome(const Expr& truth, uint32_t row);
  bool Logic(const Expr& expr, uint32_t row, Binding binding);
  bool Truth(const Expr& expr, uint32_t row, Binding binding);
  Value Evaluate(const Expr& expr, uint32_t row, Binding binding);
  Value FromColumn(const storage::FrameColumn& column, traceql::Type type,
                   uint32_t row) const;
  Value OfTrace(const Leaf& leaf, uint32_t row);
  std::string_view HexOf(uint64_t id);
  // To be called for each evaluation: now and then looks whether the answer is
  // still wanted. False: it is not.
  bool GoOn();

  template <typename Visit>  // bool(Binding): true ends it
  void ForEachBinding(const Expr& expr, uint32_t row, const Visit& visit);

  storage::TraceFrame& frame_;
  PredicateTables& tables_;
  const RequestContext& context_;
  Profile* const profile_;
  FrameTree tree_;
  std::vector<const storage::FrameColumn*> columns_;
  const std::vector<model::TraceId>* ids_ = nullptr;
  const std::vector<uint32_t>* event_ends_ = nullptr;
  const std::vector<uint32_t>* link_ends_ = nullptr;
  std::optional<JudgedRows> judged_;
  std::vector<int64_t> error_counts_;  // by trace
  boost::unordered_flat_map<uint64_t, std::unique_ptr<std::string>> hex_;
  boost::unordered_flat_map<uint32_t, std::unique_ptr<std::string>> trace_hex_;
  // What divided by zero: in the evaluation that runs, and as its outcome.
  const Expr* by_zero_ = nullptr;
  const Expr* failed_ = nullptr;
  uint64_t steps_ = 0;
  Status stopped_;
};

}  // namespace khtrace::query
