// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/attr_value.h"
#include "query/value.h"
#include "storage/trace_frame.h"
#include "traceql/ast.h"

// Field expressions, made ready to run on frames: attributes are columns,
// regexes compiled, and what can be tested on a column as a whole is told apart
// from what needs a look at each span.

namespace khtrace::query {

struct Judging;

// The columns that a query reads, each once.
class ColumnSet {
 public:
  uint32_t Add(storage::FrameField field, std::string key = {});
  // Of spans' attributes; to be let go of as soon as it was looked at.
  uint32_t AddPassing(std::string key);
  const std::vector<storage::FrameKey>& keys() const { return keys_; }
  // Of them, those that are in memory together.
  size_t kept() const { return keys_.size() - passing_; }

  // What leaves of perf:category and perf:grade go by; nullptr: there can be
  // none (judging.h).
  const std::shared_ptr<const Judging>& judging() const { return judging_; }
  void SetJudging(std::shared_ptr<const Judging> judging) {
    judging_ = std::move(judging);
  }

 private:
  std::vector<storage::FrameKey> keys_;
  std::map<storage::FrameKey, uint32_t> numbers_;
  size_t passing_ = 0;
  std::shared_ptr<const Judging> judging_;
};

// kInvalidArgument: the query reads more columns than a frame is to hold.
Status CheckColumns(const ColumnSet& columns);

// Where the value of an attribute or intrinsic comes from.
struct Leaf {
  enum class Kind : uint8_t {
    kColumn,        // columns[0], of type `type` if it is no attribute
    kAnyAttribute,  // columns of span, resource, scope: the first that has one
    kHexId,         // columns[0], a span id, as text
    kEvent,         // columns[0], of the bound event
    kEventTime,     // columns[0] minus columns[1], the span's start
    kLink,          // columns[0], of the bound link
    kLinkHexId,
    kChildCount,
    kNestedSetLeft,
    kNestedSetRight,
    kNestedSetParent,
    kSelfDuration,      // columns[0], columns[1]: start and duration
    kCriticalDuration,  // likewise
    kCategory,          // by `judging`
    kGrade,
    // Of the trace.
    kTraceDuration,
    kTraceId,
    kSpanCount,
    kErrorCount,   // columns[0]: status
    kRootName,     // columns[0]: name
    kRootService,  // columns[0]: the resource's service.name
  };
  Kind kind = Kind::kColumn;
  bool parent = false;  // of the parent span
  traceql::Type type = traceql::Type::kAttribute;
  std::array<uint32_t, 3> columns{};
  std::shared_ptr<const Judging> judging;

  bool of_event() const {
    return kind == Kind::kEvent || kind == Kind::kEventTime;
  }
  bool judged() const {
    return kind == Kind::kCategory || kind == Kind::kGrade;
  }
  bool of_link() const {
    return kind == Kind::kLink || kind == Kind::kLinkHexId;
  }
};

// What is asked of one value.
struct Predicate {
  enum class Kind : uint8_t {
    kCompare,
    kMatch,
    kTrue,
    kExists,
    kNotExists,
    kShown,  // it is there and model::ToDisplayString is the literal's text
  };
  Kind kind = Kind::kTrue;
  traceql::BinaryOp op = traceql::BinaryOp::kEqual;
  Value literal;  // borrows the query's text
  std::optional<Regex> regex;
  // Of kShown: the integer that is shown so.
  std::optional<int64_t> shown_int;

  static Predicate Shown(std::string_view text);
  // Not of kShown, which tells apart what is one Value.
  bool Holds(const Value& value) const;
  // Of an attribute as it is stored.
  bool Holds(const model::AttrValue& value) const;
  bool HoldsOfNothing() const { return kind != Kind::kShown && Holds(Value()); }
};

// A node of an expression: values up to kNotValue, truths from kTest on.
struct Expr {
  enum class Kind : uint8_t {
    kLiteral,
    kLeaf,
    kNegate,
    kArithmetic,
    kNotValue,   // of a value: a boolean's opposite, else nil
    kTest,       // `predicate` of leaf
    kTraceIdIs,  // op and trace_id
    kCompare,    // of two values
    kMatch,      // of children[0] and the predicate's regex
    kIsTrue,     // a value that is the boolean true
    kExists,     // of a value
    kNotExists,
    kAnd,  // all of children
    kOr,
    kNot,    // of a truth
    kTruth,  // the literal as a truth
  };
  Kind kind = Kind::kLiteral;
  traceql::BinaryOp op = traceql::BinaryOp::kEqual;
  Value literal;
  Leaf leaf;
  Predicate predicate;
  std::optional<model::TraceId> trace_id;
  std::vector<Expr> children;
  // Whether an event's or a link's value is in it.
  bool events = false;
  bool links = false;
  const traceql::FieldExpr* source = nullptr;

  // Whether an integer division is in it, which fails for a divisor of zero.
  bool can_fail = false;

  bool bound() const { return events || links; }
  // Row by row only, and together with what it is combined with.
  bool by_row() const { return bound() || can_fail; }
  bool is_truth() const { return kind >= Kind::kTest; }
};

// One of perf:category and perf:grade needs columns->judging().
Leaf MakeLeaf(const traceql::Attribute& attribute, ColumnSet* columns);
// A truth. `condition` outlives the result. kUnimplemented: names what cannot
// be evaluated.
Result<Expr> MakeCondition(const traceql::FieldExpr& condition,
                           ColumnSet* columns);
// A value.
Result<Expr> MakeValue(const traceql::FieldExpr& expr, ColumnSet* columns);

}  // namespace khtrace::query
