// SPDX-License-Identifier: Apache-2.0
#include "traceql/checker.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "traceql/order_by.h"
#include "traceql/printer.h"
#include "traceql/utf8.h"

namespace khtrace::traceql {
namespace {

// Of a compiled regex: .{1000} fits, \pL{100} does not. RE2 takes up to 20 ms
// to find out; its default of 8 MiB, eight times that.
constexpr int64_t kMaxRegexBytes = 1 << 20;
constexpr int64_t kMaxCompareValues = 1000;
// For the same reason: a query of 128 KiB has room for thousands.
constexpr int kMaxRegexes = 100;

// Carries a diagnostic out without a parameter in every function.
class Checker {
 public:
  explicit Checker(Diagnostic* diagnostic) : diagnostic_(diagnostic) {}

  Status Check(const Query& query);

 private:
  Status Check(const Pipeline& pipeline);
  Status Check(const SpansetExpr& expr);
  Status Check(const SpansetFilter& filter, Position position);
  Status Check(const ScalarFilter& filter);
  Status Check(const ScalarExpr& expr);
  Status Check(const Aggregate& aggregate, Position position);
  Status Check(const GroupBy& stage);
  Status Check(const Coalesce&) { return {}; }
  Status Check(const Select& stage);

  Status Check(const FieldExpr& expr);
  Status CheckUnary(const FieldExpr& expr, const FieldUnary& unary);
  Status CheckBinary(const FieldExpr& expr, const FieldBinary& binary);
  Status CheckRegex(const FieldExpr& expr, const FieldBinary& binary);
  Status Check(const Attribute& attribute);

  Status Check(const MetricsExpr& expr, bool alone);
  Status Check(const MetricsQuery& query);
  Status Check(const CompareArguments& arguments, Position position);

  Status Fail(Position position, std::string message,
              std::string suggestion = {});

  Diagnostic* diagnostic_;
  int regexes_ = 0;
};

// The part at fault, cut where it gets long.
template <typename Node>
std::string Shown(const Node& node) {
  constexpr size_t kShownBytes = 200;
  return Shortened(Print(node), kShownBytes);
}

bool TypesMatch(Type a, Type b) {
  const auto open = [](Type t) {
    return t == Type::kAttribute || t == Type::kNil;
  };
  return a == b || open(a) || open(b) || (IsNumeric(a) && IsNumeric(b));
}

bool TakesType(BinaryOp op, Type type) {
  const bool equality = op == BinaryOp::kEqual || op == BinaryOp::kNotEqual;
  switch (type) {
    case Type::kAttribute:
      return true;
    case Type::kInt:
    case Type::kFloat:
    case Type::kDuration:
      return IsArithmetic(op) || IsComparison(op);
    case Type::kString:
      return PrecedenceOf(op) == kComparePrecedence;
    case Type::kBool:
      return equality || PrecedenceOf(op) == kLogicPrecedence;
    default:
      return equality;
  }
}

Status Checker::Fail(Position position, std::string message,
                     std::string suggestion) {
  Diagnostic d;
  d.kind = Diagnostic::Kind::kQuery;
  d.position = position;
  d.message = std::move(message);
  d.suggestion = std::move(suggestion);
  if (diagnostic_ != nullptr) *diagnostic_ = d;
  return ToError(d);
}

Status Checker::Check(const Query& query) {
  if (const auto order = OrderOf(query); !order) {
    const auto hint =
        std::find_if(query.hints.begin(), query.hints.end(), [](const Hint& h) {
          return h.name == kOrderHint && h.value.type() == Type::kString;
        });
    return Fail(hint->position, order.error().message);
  }
  if (const auto* metrics = std::get_if<MetricsExpr>(&query.root)) {
    return Check(*metrics, metrics->stages.empty());
  }
  return Check(std::get<Pipeline>(query.root));
}

// --- Pipelines --------------------------------------------------------------

Status Checker::Check(const Pipeline& pipeline) {
  for (const Stage& stage : pipeline.stages) {
    RETURN_IF_ERROR(
        std::visit([this](const auto& s) { return Check(s); }, stage));
  }
  return {};
}

Status Checker::Check(const SpansetExpr& expr) {
  if (const auto* filter = std::get_if<SpansetFilter>(&expr.node)) {
    return Check(*filter, expr.position);
  }
  if (const auto* binary = std::get_if<SpansetBinary>(&expr.node)) {
    RETURN_IF_ERROR(Check(*binary->left));
    return Check(*binary->right);
  }
  return Check(*std::get<Box<Pipeline>>(expr.node));
}

Status Checker::Check(const SpansetFilter& filter, Position position) {
  RETURN_IF_ERROR(Check(filter.condition));
  const Type type = ImpliedType(filter.condition);
  if (type == Type::kBool || type == Type::kAttribute) return {};
  return Fail(position,
              fmt::format("span filter field expressions must resolve to a "
                          "boolean: {{ {} }} is of type {}",
                          Shown(filter.condition), TypeName(type)));
}

Status Checker::Check(const ScalarFilter& filter) {
  RETURN_IF_ERROR(Check(filter.left));
  return Check(filter.right);
}

Status Checker::Check(const ScalarExpr& expr) {
  if (const auto* aggregate = std::get_if<Aggregate>(&expr.node)) {
    return Check(*aggregate, expr.position);
  }
  if (const auto* binary = std::get_if<ScalarBinary>(&expr.node)) {
    RETURN_IF_ERROR(Check(*binary->left));
    return Check(*binary->right);
  }
  if (const auto* inner = std::get_if<ScalarPipeline>(&expr.node)) {
    RETURN_IF_ERROR(Check(*inner->pipeline));
    return Check(inner->aggregate, expr.position);
  }
  return {};  // numbers
}

Status Checker::Check(const Aggregate& aggregate, Position position) {
  if (!aggregate.operand) return {};
  RETURN_IF_ERROR(Check(*aggregate.operand));
  const Type type = ImpliedType(*aggregate.operand);
  if (type != Type::kAttribute && !IsNumeric(type)) {
    return Fail(position,
                fmt::format("aggregate field expressions must resolve to a "
                            "number type: {} is of type {}",
                            Shown(aggregate), TypeName(type)));
  }
  if (ReferencesSpan(*aggregate.operand)) return {};
  return Fail(
      position,
      fmt::format("aggregate field expressions must reference the span: {}",
                  Shown(aggregate)));
}

Status Checker::Check(const GroupBy& stage) {
  RETURN_IF_ERROR(Check(stage.key));
  if (ReferencesSpan(stage.key)) return {};
  return Fail(stage.key.position,
              fmt::format("grouping field expressions must reference the "
                          "span: by({})",
                          Shown(stage.key)));
}

Status Checker::Check(const Select& stage) {
  for (const Attribute& attribute : stage.attributes) {
    RETURN_IF_ERROR(Check(attribute));
  }
  return {};
}

// --- Field expressions ------------------------------------------------------

Status Checker::Check(const FieldExpr& expr) {
  if (const auto* attribute = std::get_if<Attribute>(&expr.node)) {
    return Check(*attribute);
  }
  if (const auto* unary = std::get_if<FieldUnary>(&expr.node)) {
    return CheckUnary(expr, *unary);
  }
  if (const auto* binary = std::get_if<FieldBinary>(&expr.node)) {
    return CheckBinary(expr, *binary);
  }
  return {};
}

Status Checker::Check(const Attribute& attribute) {
  if (attribute.intrinsic != Intrinsic::kParent) return {};
  return Fail(attribute.position, "intrinsic (parent) not yet supported",
              "the parent's id is span:parentID, its attributes are parent.…");
}

Status Checker::CheckUnary(const FieldExpr& expr, const FieldUnary& unary) {
  RETURN_IF_ERROR(Check(*unary.operand));
  const Type type = ImpliedType(*unary.operand);
  switch (unary.op) {
    case UnaryOp::kExists:
      return {};
    case UnaryOp::kNotExists: {
      const auto* attribute = std::get_if<Attribute>(&unary.operand->node);
      if (attribute == nullptr) return {};
      const bool service = attribute->scope == AttributeScope::kResource &&
                           !attribute->parent &&
                           attribute->name == "service.name";
      // Some spans are judged by nobody.
      const bool judged = attribute->intrinsic == Intrinsic::kPerfGrade ||
                          attribute->intrinsic == Intrinsic::kPerfCategory;
      if (attribute->intrinsic == Intrinsic::kNone && !service) return {};
      if (judged) return {};
      return Fail(
          expr.position,
          fmt::format("{}=nil is not valid because {} cannot be nil",
                      ToString(*attribute),
                      service ? "resource.service.name" : "intrinsics"));
    }
    case UnaryOp::kNegate:
      if (type == Type::kAttribute || IsNumeric(type)) return {};
      break;
    case UnaryOp::kNot:
      if (type == Type::kAttribute || type == Type::kBool) return {};
      break;
  }
  return Fail(expr.position,
              fmt::format("illegal operation for the given type: {} on {}",
                          Shown(expr), TypeName(type)));
}

Status Checker::CheckBinary(const FieldExpr& expr, const FieldBinary& binary) {
  RETURN_IF_ERROR(Check(*binary.left));
  RETURN_IF_ERROR(Check(*binary.right));
  const Type left = ImpliedType(*binary.left);
  const Type right = ImpliedType(*binary.right);
  if (!TypesMatch(left, right)) {
    return Fail(expr.position,
                fmt::format("binary operations must operate on the same type: "
                            "{} ({} and {})",
                            Shown(expr), TypeName(left), TypeName(right)));
  }
  if (!TakesType(binary.op, left) || !TakesType(binary.op, right)) {
    return Fail(expr.position,
                fmt::format("illegal operation for the given types: {} ({} "
                            "and {})",
                            Shown(expr), TypeName(left), TypeName(right)));
  }
  if (binary.op != BinaryOp::kRegex && binary.op != BinaryOp::kNotRegex) {
    return {};
  }
  return CheckRegex(expr, binary);
}

Status Checker::CheckRegex(const FieldExpr& expr, const FieldBinary& binary) {
  const auto* literal = std::get_if<Static>(&binary.right->node);
  const auto* regex =
      literal == nullptr ? nullptr : std::get_if<std::string>(&literal->value);
  if (regex == nullptr) {
    return Fail(
        expr.position,
        fmt::format("invalid type for =~ or !~: {}", Shown(*binary.right)),
        "the right side must be a text in quotes");
  }
  if (++regexes_ > kMaxRegexes) {
    return Fail(expr.position,
                fmt::format("more than {} regexes in one query", kMaxRegexes),
                "one regex can have many alternatives: a|b|c");
  }
  std::string why;
  if (IsValidRegex(*regex, &why)) return {};
  return Fail(binary.right->position,
              fmt::format("invalid regex: {}: {}", Shown(*binary.right), why));
}

// --- Metrics ----------------------------------------------------------------

// `alone`: neither arithmetic nor second stages touch it.
Status Checker::Check(const MetricsExpr& expr, bool alone) {
  if (const auto* binary = std::get_if<MetricsBinary>(&expr.node)) {
    RETURN_IF_ERROR(Check(*binary->left, false));
    RETURN_IF_ERROR(Check(*binary->right, false));
  } else if (const auto* query = std::get_if<MetricsQuery>(&expr.node)) {
    RETURN_IF_ERROR(Check(*query));
    if (!alone && query->aggregate.op == MetricsOp::kCompare) {
      return Fail(query->aggregate.position,
                  "`compare()` cannot be used with second stage functions");
    }
  }
  for (const SecondStage& stage : expr.stages) {
    const auto* top = std::get_if<TopK>(&stage);
    if (top == nullptr || top->limit > 0) continue;
    return Fail(top->position,
                fmt::format("{}({}): the limit must be greater than 0",
                            top->bottom ? "bottomk" : "topk", top->limit));
  }
  return {};
}

Status Checker::Check(const MetricsQuery& query) {
  RETURN_IF_ERROR(Check(query.pipeline));
  const MetricsAggregate& aggregate = query.aggregate;
  if (aggregate.attribute) RETURN_IF_ERROR(Check(*aggregate.attribute));
  for (const Attribute& attribute : aggregate.by) {
    RETURN_IF_ERROR(Check(attribute));
  }
  for (const double q : aggregate.quantiles) {
    if (q >= 0 && q <= 1) continue;
    return Fail(aggregate.position,
                fmt::format("quantile must be between 0 and 1: {}", q));
  }
  if (!aggregate.compare) return {};
  return Check(*aggregate.compare, aggregate.position);
}

Status Checker::Check(const CompareArguments& arguments, Position position) {
  RETURN_IF_ERROR(Check(arguments.selection, position));
  const int64_t top_n = arguments.top_n.value_or(1);
  if (top_n < 1 || top_n > kMaxCompareValues) {
    return Fail(position,
                fmt::format("compare() top number of values must be an integer "
                            "between 1 and {}: {}",
                            kMaxCompareValues, top_n));
  }
  const int64_t start = arguments.start_ns.value_or(0);
  const int64_t end = arguments.end_ns.value_or(0);
  if (start == 0 && end == 0) return {};
  if (start == 0 || end == 0) {
    return Fail(position,
                "compare() timestamps must be positive integer unix "
                "nanoseconds");
  }
  if (end > start) return {};
  return Fail(position,
              fmt::format("compare() end timestamp must be greater than start "
                          "timestamp: start {}, end {}",
                          start, end));
}

}  // namespace

Status CheckQuery(const Query& query, Diagnostic* diagnostic) {
  return Checker(diagnostic).Check(query);
}

Type ImpliedType(const FieldExpr& expr) {
  if (const auto* literal = std::get_if<Static>(&expr.node)) {
    return literal->type();
  }
  if (const auto* attribute = std::get_if<Attribute>(&expr.node)) {
    return TypeOf(*attribute);
  }
  if (const auto* unary = std::get_if<FieldUnary>(&expr.node)) {
    if (unary->op == UnaryOp::kNegate || unary->op == UnaryOp::kNot) {
      return ImpliedType(*unary->operand);
    }
    return Type::kBool;
  }
  const auto& binary = std::get<FieldBinary>(expr.node);
  if (!IsArithmetic(binary.op)) return Type::kBool;
  const Type left = ImpliedType(*binary.left);
  return left != Type::kAttribute ? left : ImpliedType(*binary.right);
}

bool IsValidRegex(const std::string& regex, std::string* why) {
  return CompileRegex(regex, why) != nullptr;
}

std::shared_ptr<const re2::RE2> CompileRegex(const std::string& regex,
                                             std::string* why) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_max_mem(kMaxRegexBytes);
  auto compiled = std::make_shared<const RE2>(regex, options);
  if (compiled->ok()) return compiled;
  *why = compiled->error();
  return nullptr;
}

}  // namespace khtrace::traceql
