// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "traceql/attribute.h"
#include "traceql/box.h"
#include "traceql/position.h"
#include "traceql/static_value.h"

// The tree of a query, as it was written: nothing is folded or reordered, only
// parentheses, comments and spellings (`span:name` is `name`) are gone. Nodes
// are values: copy, move and compare them (`==` ignores positions). Variants
// are read with std::visit, std::get_if, or a switch over index().
//
//   Query = (Pipeline | MetricsExpr) with hints
//   Pipeline = stages: SpansetExpr, ScalarFilter, GroupBy, Coalesce, Select
//   SpansetExpr = filter | operation | Pipeline in parentheses
//   FieldExpr = what stands inside { }: literal | attribute | unary | binary
//   ScalarExpr = number | aggregate | negation | binary | pipeline's aggregate
//   MetricsExpr = query of one time series function | arithmetic | number
//
// Recursive functions over a tree need no guard of their own: its height is at
// most ParseLimits::max_depth and max_outer_depth.
namespace khtrace::traceql {

enum class BinaryOp : uint8_t {
  kAnd,
  kOr,
  kEqual,
  kNotEqual,
  kRegex,
  kNotRegex,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
};

enum class UnaryOp : uint8_t {
  kNegate,     // -x
  kNot,        // !x
  kExists,     // x != nil
  kNotExists,  // x = nil; both are false of nil itself
};

// "L op R" returns spans of R, or of both for the kUnion… forms: an R that is
// a child (`>`), descendant (`>>`), parent (`<`), ancestor (`<<`) or sibling
// (`~`) of some L; kNot…: an R that is it of no L.
enum class SpansetOp : uint8_t {
  kAnd,
  kOr,
  kChild,
  kDescendant,
  kParent,
  kAncestor,
  kSibling,
  kNotChild,
  kNotDescendant,
  kNotParent,
  kNotAncestor,
  kNotSibling,
  kUnionChild,
  kUnionDescendant,
  kUnionParent,
  kUnionAncestor,
  kUnionSibling,
};

enum class AggregateOp : uint8_t { kCount, kMin, kMax, kAvg, kSum };

enum class MetricsOp : uint8_t {
  kRate,
  kCountOverTime,
  kMinOverTime,
  kMaxOverTime,
  kAvgOverTime,
  kSumOverTime,
  kQuantileOverTime,
  kHistogramOverTime,
  kCompare,
};

// As they are written: "&&", "!>>", "quantile_over_time".
std::string_view Symbol(BinaryOp op);
std::string_view Symbol(SpansetOp op);
std::string_view Name(AggregateOp op);
std::string_view Name(MetricsOp op);

// How tightly an operator binds; a higher number binds tighter. All but kPow
// are left associative. The unary ones: kNegate is as kAdd, kNot as
// kNotPrecedence.
constexpr int kLogicPrecedence = 1;    // && and ||, the same
constexpr int kComparePrecedence = 2;  // comparisons and structure
constexpr int kAddPrecedence = 3;
constexpr int kNotPrecedence = 4;
constexpr int kMulPrecedence = 5;
constexpr int kPowPrecedence = 6;  // right associative
constexpr int kAtomPrecedence = 7;
int PrecedenceOf(BinaryOp op);
int PrecedenceOf(SpansetOp op);

bool IsComparison(BinaryOp op);  // = != < <= > >=
bool IsArithmetic(BinaryOp op);  // + - * / % ^

// --- Field expressions: evaluated on one span -------------------------------

struct FieldExpr;

struct FieldUnary {
  UnaryOp op;
  Box<FieldExpr> operand;
  bool operator==(const FieldUnary&) const = default;
};

struct FieldBinary {
  BinaryOp op;
  Box<FieldExpr> left;
  Box<FieldExpr> right;
  bool operator==(const FieldBinary&) const = default;
};

struct FieldExpr {
  std::variant<Static, Attribute, FieldUnary, FieldBinary> node;
  Position position;  // a binary's is that of its operator
  bool operator==(const FieldExpr&) const = default;
};

// Whether an attribute or intrinsic occurs in it.
bool ReferencesSpan(const FieldExpr& expr);

// --- Pipelines: lists of spansets in, lists of spansets out -----------------

struct SpansetExpr;
struct ScalarExpr;
struct Pipeline;

// { condition }; `{ }` has the literal true.
struct SpansetFilter {
  FieldExpr condition;
  bool operator==(const SpansetFilter&) const = default;
};

struct SpansetBinary {
  SpansetOp op;
  Box<SpansetExpr> left;
  Box<SpansetExpr> right;
  bool operator==(const SpansetBinary&) const = default;
};

// A Pipeline stands here only below a SpansetBinary, and only when it is more
// than one SpansetExpr.
struct SpansetExpr {
  std::variant<SpansetFilter, SpansetBinary, Box<Pipeline>> node;
  Position position;
  bool operator==(const SpansetExpr&) const = default;
};

// `operand` is absent for count() alone.
struct Aggregate {
  AggregateOp op;
  std::optional<FieldExpr> operand;
  bool operator==(const Aggregate&) const = default;
};

// -(…) around a constant that is more than one literal.
struct ScalarNegate {
  Box<ScalarExpr> operand;
  bool operator==(const ScalarNegate&) const = default;
};

// `op` is arithmetic.
struct ScalarBinary {
  BinaryOp op;
  Box<ScalarExpr> left;
  Box<ScalarExpr> right;
  bool operator==(const ScalarBinary&) const = default;
};

// (pipeline | aggregate): the aggregate over another pipeline's spansets.
struct ScalarPipeline {
  Box<Pipeline> pipeline;
  Aggregate aggregate;
  bool operator==(const ScalarPipeline&) const = default;
};

// Static is an int, float or duration, negative ones included.
struct ScalarExpr {
  std::variant<Static, Aggregate, ScalarNegate, ScalarBinary, ScalarPipeline>
      node;
  Position position;
  bool operator==(const ScalarExpr&) const = default;
};

// No Aggregate and no ScalarPipeline in it.
bool IsConstant(const ScalarExpr& expr);

// At least one side is not constant. A ScalarPipeline stands only in the only
// stage of a whole query.
struct ScalarFilter {
  BinaryOp op;  // a comparison
  ScalarExpr left;
  ScalarExpr right;
  Position position;
  bool operator==(const ScalarFilter&) const = default;
};

struct GroupBy {
  FieldExpr key;
  bool operator==(const GroupBy&) const = default;
};

struct Coalesce {
  bool operator==(const Coalesce&) const = default;
};

struct Select {
  std::vector<Attribute> attributes;  // at least one
  bool operator==(const Select&) const = default;
};

using Stage =
    std::variant<SpansetExpr, ScalarFilter, GroupBy, Coalesce, Select>;

struct Pipeline {
  std::vector<Stage> stages;  // at least one
  bool operator==(const Pipeline&) const = default;
};

// --- Metrics: time series ---------------------------------------------------

// What only compare() has.
struct CompareArguments {
  SpansetFilter selection;
  std::optional<int64_t> top_n;  // values shown of each attribute; else 10
  // The selection's time range, both or neither; two zeros mean none.
  std::optional<int64_t> start_ns;
  std::optional<int64_t> end_ns;
  bool operator==(const CompareArguments&) const = default;
};

struct MetricsAggregate {
  MetricsOp op;
  std::optional<Attribute> attribute;  // of the …_over_time(attribute) forms
  std::vector<double> quantiles;       // of kQuantileOverTime: at least one
  std::optional<CompareArguments> compare;
  std::vector<Attribute> by;
  Position position;
  bool operator==(const MetricsAggregate&) const = default;
};

struct TopK {
  bool bottom = false;  // bottomk
  int64_t limit = 0;
  Position position;
  bool operator==(const TopK&) const = default;
};

// Keeps the samples for which "sample op value" holds.
struct SampleFilter {
  BinaryOp op;       // a comparison
  ScalarExpr value;  // constant
  Position position;
  bool operator==(const SampleFilter&) const = default;
};

using SecondStage = std::variant<TopK, SampleFilter>;

struct MetricsExpr;

struct MetricsQuery {
  Pipeline pipeline;
  MetricsAggregate aggregate;
  bool operator==(const MetricsQuery&) const = default;
};

// `op` is one of + - * /. At most one side is a constant.
struct MetricsBinary {
  BinaryOp op;
  Box<MetricsExpr> left;
  Box<MetricsExpr> right;
  bool operator==(const MetricsBinary&) const = default;
};

// A ScalarExpr stands only below a MetricsBinary, is constant and has no
// stages.
struct MetricsExpr {
  std::variant<MetricsQuery, MetricsBinary, ScalarExpr> node;
  std::vector<SecondStage> stages;  // applied in order to the node's series
  Position position;
  bool operator==(const MetricsExpr&) const = default;
};

// --- The whole --------------------------------------------------------------

struct Hint {
  std::string name;
  Static value;
  Position position;
  bool operator==(const Hint&) const = default;
};

struct Query {
  std::variant<Pipeline, MetricsExpr> root;
  // Of the last `with`; names may repeat and may be unknown. See FindHint.
  std::vector<Hint> hints;
  bool operator==(const Query&) const = default;

  bool is_metrics() const { return root.index() == 1; }
};

// The value of the first hint of that name and type, or nullptr: one of another
// type does not count.
const Static* FindHint(const Query& query, std::string_view name, Type type);

}  // namespace khtrace::traceql
