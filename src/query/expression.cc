// SPDX-License-Identifier: Apache-2.0
#include "query/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "query/judging.h"
#include "traceql/printer.h"

namespace khtrace::query {
namespace {

using storage::FrameField;
using traceql::Attribute;
using traceql::AttributeScope;
using traceql::BinaryOp;
using traceql::FieldExpr;
using traceql::Intrinsic;
using traceql::Type;
using traceql::UnaryOp;
using K = Leaf::Kind;

constexpr const char* kServiceName = "service.name";

Leaf MakeAttributeLeaf(const Attribute& attribute, ColumnSet* columns) {
  Leaf leaf;
  leaf.parent = attribute.parent;
  const auto column = [&](FrameField field) {
    return columns->Add(field, attribute.name);
  };
  switch (attribute.scope) {
    case AttributeScope::kAny:
      leaf.kind = K::kAnyAttribute;
      leaf.columns = {column(FrameField::kSpanAttribute),
                      column(FrameField::kResourceAttribute),
                      column(FrameField::kScopeAttribute)};
      break;
    case AttributeScope::kSpan:
      leaf.columns[0] = column(FrameField::kSpanAttribute);
      break;
    case AttributeScope::kResource:
      leaf.columns[0] = column(FrameField::kResourceAttribute);
      break;
    case AttributeScope::kInstrumentation:
      leaf.columns[0] = column(FrameField::kScopeAttribute);
      break;
    case AttributeScope::kEvent:
      leaf.kind = K::kEvent;
      leaf.columns[0] = column(FrameField::kEventAttribute);
      break;
    case AttributeScope::kLink:
      leaf.kind = K::kLink;
      leaf.columns[0] = column(FrameField::kLinkAttribute);
      break;
  }
  return leaf;
}

Leaf ColumnLeaf(ColumnSet* columns, FrameField field, Type type,
                K kind = K::kColumn) {
  Leaf leaf;
  leaf.kind = kind;
  leaf.type = type;
  leaf.columns[0] = columns->Add(field);
  return leaf;
}

Leaf TraceLeaf(K kind, uint32_t column = 0) {
  Leaf leaf;
  leaf.kind = kind;
  leaf.columns[0] = column;
  return leaf;
}

Leaf TimesLeaf(K kind, ColumnSet* columns) {
  Leaf leaf;
  leaf.kind = kind;
  leaf.columns = {columns->Add(FrameField::kStart),
                  columns->Add(FrameField::kDuration), 0};
  return leaf;
}

Leaf JudgedLeaf(K kind, const ColumnSet& columns) {
  KHTRACE_CHECK(columns.judging() != nullptr);
  Leaf leaf;
  leaf.kind = kind;
  leaf.type = Type::kString;
  leaf.judging = columns.judging();
  return leaf;
}

Leaf MakeTraceLeaf(Intrinsic intrinsic, ColumnSet* columns) {
  switch (intrinsic) {
    case Intrinsic::kChildCount:
      return TraceLeaf(K::kChildCount);
    case Intrinsic::kNestedSetLeft:
      return TraceLeaf(K::kNestedSetLeft);
    case Intrinsic::kNestedSetRight:
      return TraceLeaf(K::kNestedSetRight);
    case Intrinsic::kNestedSetParent:
      return TraceLeaf(K::kNestedSetParent);
    case Intrinsic::kSelfDuration:
      return TimesLeaf(K::kSelfDuration, columns);
    case Intrinsic::kCriticalDuration:
      return TimesLeaf(K::kCriticalDuration, columns);
    case Intrinsic::kRootName:
      return TraceLeaf(K::kRootName, columns->Add(FrameField::kName));
    case Intrinsic::kRootServiceName:
      return TraceLeaf(
          K::kRootService,
          columns->Add(FrameField::kResourceAttribute, kServiceName));
    case Intrinsic::kTraceDuration:
      return TraceLeaf(K::kTraceDuration);
    case Intrinsic::kTraceId:
      return TraceLeaf(K::kTraceId);
    case Intrinsic::kTraceSpanCount:
      return TraceLeaf(K::kSpanCount);
    case Intrinsic::kPerfCategory:
      return JudgedLeaf(K::kCategory, *columns);
    case Intrinsic::kPerfGrade:
      return JudgedLeaf(K::kGrade, *columns);
    default:
      return TraceLeaf(K::kErrorCount, columns->Add(FrameField::kStatus));
  }
}

Leaf MakeIntrinsicLeaf(Intrinsic intrinsic, ColumnSet* columns) {
  switch (intrinsic) {
    case Intrinsic::kName:
      return ColumnLeaf(columns, FrameField::kName, Type::kString);
    case Intrinsic::kDuration:
      return ColumnLeaf(columns, FrameField::kDuration, Type::kDuration);
    case Intrinsic::kStatus:
      return ColumnLeaf(columns, FrameField::kStatus, Type::kStatus);
    case Intrinsic::kStatusMessage:
      return ColumnLeaf(columns, FrameField::kStatusMessage, Type::kString);
    case Intrinsic::kKind:
      return ColumnLeaf(columns, FrameField::kKind, Type::kKind);
    case Intrinsic::kSpanId:
      return ColumnLeaf(columns, FrameField::kSpanId, Type::kString, K::kHexId);
    case Intrinsic::kParentId:
      return ColumnLeaf(columns, FrameField::kParentId, Type::kString,
                        K::kHexId);
    case Intrinsic::kInstrumentationName:
      return ColumnLeaf(columns, FrameField::kScopeName, Type::kString);
    case Intrinsic::kInstrumentationVersion:
      return ColumnLeaf(columns, FrameField::kScopeVersion, Type::kString);
    case Intrinsic::kEventName:
      return ColumnLeaf(columns, FrameField::kEventName, Type::kString,
                        K::kEvent);
    case Intrinsic::kEventTimeSinceStart: {
      Leaf leaf = ColumnLeaf(columns, FrameField::kEventTime, Type::kDuration,
                             K::kEventTime);
      leaf.columns[1] = columns->Add(FrameField::kStart);
      return leaf;
    }
    case Intrinsic::kLinkTraceId:
      return ColumnLeaf(columns, FrameField::kLinkTraceId, Type::kString,
                        K::kLink);
    case Intrinsic::kLinkSpanId:
      return ColumnLeaf(columns, FrameField::kLinkSpanId, Type::kString,
                        K::kLinkHexId);
    default:
      return MakeTraceLeaf(intrinsic, columns);
  }
}

Status CheckKnown(const Attribute& attribute, const ColumnSet& columns) {
  if (IsJudgement(attribute) && columns.judging() == nullptr) {
    return Error{Code::kUnimplemented,
                 fmt::format("cannot evaluate {}: no categories and targets "
                             "are known here",
                             traceql::ToString(attribute))};
  }
  if (attribute.intrinsic != Intrinsic::kParent) return {};
  return Error{Code::kUnimplemented,
               fmt::format("cannot evaluate {}: it is not supported yet",
                           traceql::ToString(attribute))};
}

void Bind(Expr* expr) {
  if (expr->kind == Expr::Kind::kLeaf || expr->kind == Expr::Kind::kTest) {
    expr->events = expr->leaf.of_event();
    expr->links = expr->leaf.of_link();
  }
  for (const Expr& child : expr->children) {
    expr->events |= child.events;
    expr->links |= child.links;
    expr->can_fail |= child.can_fail;
  }
}

BinaryOp Mirrored(BinaryOp op) {
  switch (op) {
    case BinaryOp::kLess:
      return BinaryOp::kGreater;
    case BinaryOp::kLessEqual:
      return BinaryOp::kGreaterEqual;
    case BinaryOp::kGreater:
      return BinaryOp::kLess;
    case BinaryOp::kGreaterEqual:
      return BinaryOp::kLessEqual;
    default:
      return op;
  }
}

// Makes the nodes; the recursion is as deep as the tree, which the parser
// bounds.
class Maker {
 public:
  explicit Maker(ColumnSet* columns) : columns_(columns) {}

  Result<Expr> Truth(const FieldExpr& expr);
  Result<Expr> AsValue(const FieldExpr& expr);

 private:
  Result<Expr> TruthOfUnary(const traceql::FieldUnary& unary);
  Result<Expr> TruthOfBinary(const FieldExpr& expr,
                             const traceql::FieldBinary& binary);
  Result<Expr> Logic(const traceql::FieldBinary& binary);
  Result<Expr> Comparison(const traceql::FieldBinary& binary);
  Result<Expr> RegexMatch(const traceql::FieldBinary& binary);
  Result<Expr> Existence(UnaryOp op, const FieldExpr& operand);
  Expr TraceIdTest(BinaryOp op, const Value& literal) const;

  ColumnSet* columns_;
};

bool IsTruth(const FieldExpr& expr) {
  if (const auto* binary = std::get_if<traceql::FieldBinary>(&expr.node)) {
    return !traceql::IsArithmetic(binary->op);
  }
  if (const auto* unary = std::get_if<traceql::FieldUnary>(&expr.node)) {
    if (unary->op == UnaryOp::kNot) return IsTruth(*unary->operand);
    return unary->op != UnaryOp::kNegate;
  }
  return false;
}

Result<Expr> Maker::Truth(const FieldExpr& expr) {
  Expr out;
  if (IsTruth(expr)) {
    if (const auto* unary = std::get_if<traceql::FieldUnary>(&expr.node)) {
      return TruthOfUnary(*unary);
    }
    return TruthOfBinary(expr, std::get<traceql::FieldBinary>(expr.node));
  }
  if (const auto* literal = std::get_if<traceql::Static>(&expr.node)) {
    out.kind = Expr::Kind::kTruth;
    out.literal = FromStatic(*literal);
    return out;
  }
  ASSIGN_OR_RETURN(Expr value, AsValue(expr));
  if (value.kind == Expr::Kind::kLeaf) {
    value.kind = Expr::Kind::kTest;
    value.predicate.kind = Predicate::Kind::kTrue;
    return value;
  }
  out.kind = Expr::Kind::kIsTrue;
  out.children.push_back(std::move(value));
  Bind(&out);
  return out;
}

Result<Expr> Maker::TruthOfUnary(const traceql::FieldUnary& unary) {
  if (unary.op != UnaryOp::kNot) return Existence(unary.op, *unary.operand);
  Expr out;
  out.kind = Expr::Kind::kNot;
  ASSIGN_OR_RETURN(Expr child, Truth(*unary.operand));
  out.children.push_back(std::move(child));
  Bind(&out);
  return out;
}

Result<Expr> Maker::Existence(UnaryOp op, const FieldExpr& operand) {
  Expr out;
  const bool exists = op == UnaryOp::kExists;
  if (std::holds_alternative<traceql::Static>(operand.node)) {
    // A literal exists; nil itself neither does nor does not.
    const Value literal = FromStatic(std::get<traceql::Static>(operand.node));
    out.kind = Expr::Kind::kTruth;
    out.literal = Value::Bool(exists && !literal.nil());
    return out;
  }
  if (IsTruth(operand)) {
    out.kind = Expr::Kind::kTruth;
    out.literal = Value::Bool(exists);
    return out;
  }
  ASSIGN_OR_RETURN(Expr value, AsValue(operand));
  if (value.kind == Expr::Kind::kLeaf) {
    value.kind = Expr::Kind::kTest;
    value.predicate.kind =
        exists ? Predicate::Kind::kExists : Predicate::Kind::kNotExists;
    return value;
  }
  out.kind = exists ? Expr::Kind::kExists : Expr::Kind::kNotExists;
  out.children.push_back(std::move(value));
  Bind(&out);
  return out;
}

Result<Expr> Maker::TruthOfBinary(const FieldExpr& expr,
                                  const traceql::FieldBinary& binary) {
  Result<Expr> out = [&] {
    switch (binary.op) {
      case BinaryOp::kAnd:
      case BinaryOp::kOr:
        return Logic(binary);
      case BinaryOp::kRegex:
      case BinaryOp::kNotRegex:
        return RegexMatch(binary);
      default:
        return Comparison(binary);
    }
  }();
  if (out) out->source = &expr;
  return out;
}

// Chains of one operator become one node.
Result<Expr> Maker::Logic(const traceql::FieldBinary& binary) {
  Expr out;
  out.kind = binary.op == BinaryOp::kAnd ? Expr::Kind::kAnd : Expr::Kind::kOr;
  for (const FieldExpr* side : {&*binary.left, &*binary.right}) {
    ASSIGN_OR_RETURN(Expr child, Truth(*side));
    if (child.kind == out.kind) {
      for (Expr& grandchild : child.children) {
        out.children.push_back(std::move(grandchild));
      }
    } else {
      out.children.push_back(std::move(child));
    }
  }
  Bind(&out);
  return out;
}

// Leading zeros count neither in the literal nor in the id.
Expr Maker::TraceIdTest(BinaryOp op, const Value& literal) const {
  Expr out;
  out.kind = Expr::Kind::kTraceIdIs;
  out.op = op;
  const size_t digits = literal.text.find_first_not_of('0');
  const std::string_view text = digits == std::string_view::npos
                                    ? std::string_view("0")
                                    : literal.text.substr(digits);
  const bool lower = std::none_of(text.begin(), text.end(),
                                  [](char c) { return c >= 'A' && c <= 'F'; });
  if (lower) out.trace_id = model::TraceId::FromHex(text);
  return out;
}

Result<Expr> Maker::Comparison(const traceql::FieldBinary& binary) {
  ASSIGN_OR_RETURN(Expr left, AsValue(*binary.left));
  ASSIGN_OR_RETURN(Expr right, AsValue(*binary.right));
  BinaryOp op = binary.op;
  if (left.kind == Expr::Kind::kLiteral && right.kind == Expr::Kind::kLeaf) {
    std::swap(left, right);
    op = Mirrored(op);
  }
  if (left.kind == Expr::Kind::kLeaf && right.kind == Expr::Kind::kLiteral) {
    const bool equality = op == BinaryOp::kEqual || op == BinaryOp::kNotEqual;
    if (left.leaf.kind == K::kTraceId && equality &&
        right.literal.type == Type::kString) {
      return TraceIdTest(op, right.literal);
    }
    left.kind = Expr::Kind::kTest;
    left.predicate.kind = Predicate::Kind::kCompare;
    left.predicate.op = op;
    left.predicate.literal = right.literal;
    return left;
  }
  Expr out;
  out.kind = Expr::Kind::kCompare;
  out.op = op;
  out.children.push_back(std::move(left));
  out.children.push_back(std::move(right));
  Bind(&out);
  return out;
}

Result<Expr> Maker::RegexMatch(const traceql::FieldBinary& binary) {
  ASSIGN_OR_RETURN(Expr left, AsValue(*binary.left));
  Predicate predicate;
  predicate.kind = Predicate::Kind::kMatch;
  predicate.op = binary.op;
  const auto& literal = std::get<traceql::Static>(binary.right->node);
  ASSIGN_OR_RETURN(predicate.regex,
                   Regex::Compile(std::get<std::string>(literal.value)));
  predicate.literal = FromStatic(literal);
  if (left.kind == Expr::Kind::kLeaf) {
    left.kind = Expr::Kind::kTest;
    left.predicate = std::move(predicate);
    return left;
  }
  Expr out;
  out.kind = Expr::Kind::kMatch;
  out.predicate = std::move(predicate);
  out.children.push_back(std::move(left));
  Bind(&out);
  return out;
}

Result<Expr> Maker::AsValue(const FieldExpr& expr) {
  Expr out;
  out.source = &expr;
  if (const auto* literal = std::get_if<traceql::Static>(&expr.node)) {
    out.literal = FromStatic(*literal);
    return out;
  }
  if (const auto* attribute = std::get_if<Attribute>(&expr.node)) {
    RETURN_IF_ERROR(CheckKnown(*attribute, *columns_));
    out.kind = Expr::Kind::kLeaf;
    out.leaf = MakeLeaf(*attribute, columns_);
    Bind(&out);
    return out;
  }
  if (const auto* unary = std::get_if<traceql::FieldUnary>(&expr.node);
      unary != nullptr && !IsTruth(expr)) {
    out.kind = unary->op == UnaryOp::kNegate ? Expr::Kind::kNegate
                                             : Expr::Kind::kNotValue;
    ASSIGN_OR_RETURN(Expr child, AsValue(*unary->operand));
    out.children.push_back(std::move(child));
    Bind(&out);
    return out;
  }
  if (const auto* binary = std::get_if<traceql::FieldBinary>(&expr.node);
      binary != nullptr && traceql::IsArithmetic(binary->op)) {
    out.kind = Expr::Kind::kArithmetic;
    out.op = binary->op;
    out.can_fail = binary->op == BinaryOp::kDiv || binary->op == BinaryOp::kMod;
    for (const FieldExpr* side : {&*binary->left, &*binary->right}) {
      ASSIGN_OR_RETURN(Expr child, AsValue(*side));
      out.children.push_back(std::move(child));
    }
    Bind(&out);
    return out;
  }
  return Truth(expr);
}

}  // namespace

uint32_t ColumnSet::Add(FrameField field, std::string key) {
  storage::FrameKey wanted{field, std::move(key)};
  const auto [at, added] = numbers_.try_emplace(
      std::move(wanted), static_cast<uint32_t>(keys_.size()));
  if (added) keys_.push_back(at->first);
  return at->second;
}

uint32_t ColumnSet::AddPassing(std::string key) {
  const size_t before = keys_.size();
  const uint32_t number = Add(FrameField::kSpanAttribute, std::move(key));
  passing_ += keys_.size() - before;
  return number;
}

bool Predicate::Holds(const Value& value) const {
  switch (kind) {
    case Kind::kCompare:
      return Compare(op, value, literal);
    case Kind::kMatch:
      return Match(op, value, *regex);
    case Kind::kTrue:
      return value.type == Type::kBool && value.bits != 0;
    case Kind::kExists:
      return !value.nil();
    case Kind::kNotExists:
      return value.nil();
    case Kind::kShown:
      break;
  }
  KHTRACE_CHECK(kind != Kind::kShown);
  return false;
}

Predicate Predicate::Shown(std::string_view text) {
  Predicate out;
  out.kind = Kind::kShown;
  out.literal = Value::Text(text);
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && stopped == end &&
      fmt::to_string(number) == text) {
    out.shown_int = number;
  }
  return out;
}

bool Predicate::Holds(const model::AttrValue& value) const {
  if (kind != Kind::kShown) return Holds(FromAttribute(value));
  switch (value.type) {
    case model::AttrType::kString:
      return value.bytes == literal.text;
    case model::AttrType::kInt:
      return shown_int == value.AsInt();
    default:
      return model::ToDisplayString(value) == literal.text;
  }
}

Status CheckColumns(const ColumnSet& columns) {
  // An attribute without scope takes three. Larger: longer queries; smaller:
  // less memory a query, some 2 MB a column of texts and thread.
  constexpr size_t kMaxColumns = 300;
  if (columns.kept() <= kMaxColumns) return {};
  return Error{Code::kInvalidArgument,
               fmt::format("the query reads {} columns, limit {}: an attribute "
                           "without scope, as in .x, takes three",
                           columns.kept(), kMaxColumns)};
}

Leaf MakeLeaf(const Attribute& attribute, ColumnSet* columns) {
  return attribute.intrinsic == Intrinsic::kNone
             ? MakeAttributeLeaf(attribute, columns)
             : MakeIntrinsicLeaf(attribute.intrinsic, columns);
}

Result<Expr> MakeCondition(const FieldExpr& condition, ColumnSet* columns) {
  return Maker(columns).Truth(condition);
}

Result<Expr> MakeValue(const FieldExpr& expr, ColumnSet* columns) {
  return Maker(columns).AsValue(expr);
}

}  // namespace khtrace::query
