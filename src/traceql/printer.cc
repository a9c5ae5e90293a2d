// SPDX-License-Identifier: Apache-2.0
#include "traceql/printer.h"

#include <fmt/format.h>

namespace khtrace::traceql {
namespace {

std::string Wrapped(bool wrap, std::string text) {
  return wrap ? fmt::format("({})", text) : std::move(text);
}

// --- Inside { } -------------------------------------------------------------

int Precedence(const FieldExpr& expr) {
  if (const auto* binary = std::get_if<FieldBinary>(&expr.node)) {
    return PrecedenceOf(binary->op);
  }
  const auto* unary = std::get_if<FieldUnary>(&expr.node);
  if (unary == nullptr) return kAtomPrecedence;
  switch (unary->op) {
    case UnaryOp::kNegate:
      return kAddPrecedence;
    case UnaryOp::kNot:
      return kNotPrecedence;
    default:
      return kComparePrecedence;
  }
}

// With parentheses if it binds less tightly than `precedence`. A prefix
// operator takes everything that binds tighter than itself, so it too needs
// them on the left: (-.a) * 2.
std::string Operand(const FieldExpr& expr, int precedence) {
  return Wrapped(Precedence(expr) < precedence, Print(expr));
}

bool IsPrefix(const FieldExpr& expr) {
  const auto* unary = std::get_if<FieldUnary>(&expr.node);
  return unary != nullptr &&
         (unary->op == UnaryOp::kNegate || unary->op == UnaryOp::kNot);
}

// What follows a prefix operator; one prefix after another needs nothing.
std::string PrefixOperand(const FieldExpr& expr, int precedence) {
  return IsPrefix(expr) ? Print(expr) : Operand(expr, precedence);
}

std::string PrintUnary(const FieldUnary& unary) {
  switch (unary.op) {
    case UnaryOp::kNegate:
      return fmt::format("-{}",
                         PrefixOperand(*unary.operand, kAddPrecedence + 1));
    case UnaryOp::kNot:
      return fmt::format("!{}",
                         PrefixOperand(*unary.operand, kNotPrecedence + 1));
    case UnaryOp::kExists:
      return Operand(*unary.operand, kComparePrecedence + 1) + " != nil";
    case UnaryOp::kNotExists:
      return Operand(*unary.operand, kComparePrecedence + 1) + " = nil";
  }
  return {};
}

// The precedences that operands need around a binary operator.
struct Sides {
  int left;
  int right;
};
Sides SidesOf(BinaryOp op) {
  const int precedence = PrecedenceOf(op);
  if (op == BinaryOp::kPow) return {precedence + 1, precedence};
  // (.a = 1) = .b needs none, but who knows that.
  if (precedence == kComparePrecedence) return {precedence + 1, precedence + 1};
  return {precedence, precedence + 1};
}

// `a || b && c` is `(a || b) && c` here and the other way round nearly
// everywhere else, so the parentheses are always shown.
std::string LeftOperand(BinaryOp op, const FieldExpr& expr) {
  const auto* left = std::get_if<FieldBinary>(&expr.node);
  const bool mixed = left != nullptr && left->op != op &&
                     PrecedenceOf(op) == kLogicPrecedence &&
                     PrecedenceOf(left->op) == kLogicPrecedence;
  return Operand(expr, mixed ? kLogicPrecedence + 1 : SidesOf(op).left);
}

std::string PrintFilter(const SpansetFilter& filter) {
  const auto* literal = std::get_if<Static>(&filter.condition.node);
  if (literal != nullptr && *literal == Static(true)) return "{ }";
  return fmt::format("{{ {} }}", Print(filter.condition));
}

// --- Spansets ---------------------------------------------------------------

bool HasPipeline(const SpansetExpr& expr) {
  if (const auto* binary = std::get_if<SpansetBinary>(&expr.node)) {
    return HasPipeline(*binary->left) || HasPipeline(*binary->right);
  }
  return std::holds_alternative<Box<Pipeline>>(expr.node);
}

// An operand of `op`. Beside a pipeline, which is in parentheses, everything
// must be; && beside || is too, see LeftOperand.
std::string Operand(SpansetOp op, const SpansetExpr& expr, int precedence,
                    bool beside_pipeline) {
  const auto* binary = std::get_if<SpansetBinary>(&expr.node);
  const bool mixed = binary != nullptr && binary->op != op &&
                     PrecedenceOf(op) == kLogicPrecedence &&
                     PrecedenceOf(binary->op) == kLogicPrecedence;
  const bool loose =
      mixed || (binary != nullptr && PrecedenceOf(binary->op) < precedence);
  const bool bare = beside_pipeline && !HasPipeline(expr);
  return Wrapped(loose || bare, Print(expr));
}

// --- Numbers and aggregates -------------------------------------------------

int Precedence(const ScalarExpr& expr) {
  const auto* binary = std::get_if<ScalarBinary>(&expr.node);
  return binary == nullptr ? kAtomPrecedence : PrecedenceOf(binary->op);
}

std::string Operand(const ScalarExpr& expr, int precedence) {
  return Wrapped(Precedence(expr) < precedence, Print(expr));
}

// --- Stages -----------------------------------------------------------------

std::string PrintList(const std::vector<Attribute>& attributes) {
  std::string out;
  for (const Attribute& attribute : attributes) {
    if (!out.empty()) out += ", ";
    out += ToString(attribute);
  }
  return out;
}

struct StagePrinter {
  std::string operator()(const SpansetExpr& expr) const { return Print(expr); }
  std::string operator()(const ScalarFilter& filter) const {
    return fmt::format("{} {} {}", Operand(filter.left, kComparePrecedence + 1),
                       Symbol(filter.op),
                       Operand(filter.right, kComparePrecedence + 1));
  }
  std::string operator()(const GroupBy& stage) const {
    return fmt::format("by({})", Print(stage.key));
  }
  std::string operator()(const Coalesce&) const { return "coalesce()"; }
  std::string operator()(const Select& stage) const {
    return fmt::format("select({})", PrintList(stage.attributes));
  }
};

// --- Metrics ----------------------------------------------------------------

std::string PrintNode(const MetricsExpr& expr);

// A query, and what has stages of its own, stands in parentheses.
std::string Operand(const MetricsExpr& expr, int precedence) {
  if (const auto* number = std::get_if<ScalarExpr>(&expr.node)) {
    return Operand(*number, precedence);
  }
  if (const auto* binary = std::get_if<MetricsBinary>(&expr.node);
      binary != nullptr && expr.stages.empty()) {
    return Wrapped(PrecedenceOf(binary->op) < precedence, PrintNode(expr));
  }
  return fmt::format("({})", Print(expr));
}

std::string PrintNode(const MetricsExpr& expr) {
  if (const auto* query = std::get_if<MetricsQuery>(&expr.node)) {
    return fmt::format("{} | {}", Print(query->pipeline),
                       Print(query->aggregate));
  }
  if (const auto* number = std::get_if<ScalarExpr>(&expr.node)) {
    return Print(*number);
  }
  const auto& binary = std::get<MetricsBinary>(expr.node);
  const Sides sides = SidesOf(binary.op);
  return fmt::format("{} {} {}", Operand(*binary.left, sides.left),
                     Symbol(binary.op), Operand(*binary.right, sides.right));
}

std::string PrintCompare(const CompareArguments& arguments) {
  std::string out = fmt::format("compare({}", PrintFilter(arguments.selection));
  if (arguments.top_n) out += fmt::format(", {}", *arguments.top_n);
  if (arguments.top_n && arguments.start_ns && arguments.end_ns) {
    out += fmt::format(", {}, {}", *arguments.start_ns, *arguments.end_ns);
  }
  return out + ")";
}

std::string PrintSecondStage(const SecondStage& stage) {
  if (const auto* top = std::get_if<TopK>(&stage)) {
    return fmt::format(" | {}({})", top->bottom ? "bottomk" : "topk",
                       top->limit);
  }
  const auto& filter = std::get<SampleFilter>(stage);
  return fmt::format(" {} {}", Symbol(filter.op),
                     Operand(filter.value, kComparePrecedence + 1));
}

}  // namespace

std::string Print(const FieldExpr& expr) {
  if (const auto* literal = std::get_if<Static>(&expr.node)) {
    return ToString(*literal);
  }
  if (const auto* attribute = std::get_if<Attribute>(&expr.node)) {
    return ToString(*attribute);
  }
  if (const auto* unary = std::get_if<FieldUnary>(&expr.node)) {
    return PrintUnary(*unary);
  }
  const auto& binary = std::get<FieldBinary>(expr.node);
  return fmt::format("{} {} {}", LeftOperand(binary.op, *binary.left),
                     Symbol(binary.op),
                     Operand(*binary.right, SidesOf(binary.op).right));
}

std::string Print(const SpansetExpr& expr) {
  if (const auto* filter = std::get_if<SpansetFilter>(&expr.node)) {
    return PrintFilter(*filter);
  }
  if (const auto* pipeline = std::get_if<Box<Pipeline>>(&expr.node)) {
    return fmt::format("({})", Print(**pipeline));
  }
  const auto& binary = std::get<SpansetBinary>(expr.node);
  const int precedence = PrecedenceOf(binary.op);
  const bool pipelines = HasPipeline(expr);
  return fmt::format(
      "{} {} {}", Operand(binary.op, *binary.left, precedence, pipelines),
      Symbol(binary.op),
      Operand(binary.op, *binary.right, precedence + 1, pipelines));
}

std::string Print(const Aggregate& aggregate) {
  return fmt::format("{}({})", Name(aggregate.op),
                     aggregate.operand ? Print(*aggregate.operand) : "");
}

std::string Print(const ScalarExpr& expr) {
  if (const auto* literal = std::get_if<Static>(&expr.node)) {
    return ToString(*literal);
  }
  if (const auto* aggregate = std::get_if<Aggregate>(&expr.node)) {
    return Print(*aggregate);
  }
  if (const auto* negate = std::get_if<ScalarNegate>(&expr.node)) {
    const bool wrap = Precedence(*negate->operand) < kAtomPrecedence;
    return fmt::format("-{}", Wrapped(wrap, Print(*negate->operand)));
  }
  if (const auto* inner = std::get_if<ScalarPipeline>(&expr.node)) {
    return fmt::format("({} | {})", Print(*inner->pipeline),
                       Print(inner->aggregate));
  }
  const auto& binary = std::get<ScalarBinary>(expr.node);
  const Sides sides = SidesOf(binary.op);
  return fmt::format("{} {} {}", Operand(*binary.left, sides.left),
                     Symbol(binary.op), Operand(*binary.right, sides.right));
}

std::string Print(const Pipeline& pipeline) {
  std::string out;
  for (const Stage& stage : pipeline.stages) {
    if (!out.empty()) out += " | ";
    out += std::visit(StagePrinter(), stage);
  }
  return out;
}

std::string Print(const MetricsAggregate& aggregate) {
  if (aggregate.compare) return PrintCompare(*aggregate.compare);
  std::string out = fmt::format("{}(", Name(aggregate.op));
  if (aggregate.attribute) out += ToString(*aggregate.attribute);
  for (const double q : aggregate.quantiles) out += ", " + ToString(Static(q));
  out += ")";
  if (!aggregate.by.empty()) {
    out += fmt::format(" by ({})", PrintList(aggregate.by));
  }
  return out;
}

std::string Print(const MetricsExpr& expr) {
  std::string out = PrintNode(expr);
  for (const SecondStage& stage : expr.stages) out += PrintSecondStage(stage);
  return out;
}

std::string Print(const Query& query) {
  std::string out =
      std::visit([](const auto& root) { return Print(root); }, query.root);
  for (size_t i = 0; i < query.hints.size(); ++i) {
    out += i == 0 ? " with(" : ", ";
    out += query.hints[i].name + "=" + ToString(query.hints[i].value);
  }
  if (!query.hints.empty()) out += ")";
  return out;
}

std::string Quoted(std::string_view text) {
  FieldExpr literal;
  literal.node = Static(std::string(text));
  return Print(literal);
}

}  // namespace khtrace::traceql
