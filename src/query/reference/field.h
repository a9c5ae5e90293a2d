// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>

#include "base/result.h"
#include "query/reference/trace.h"
#include "query/value.h"
#include "traceql/ast.h"

namespace khtrace::query::reference {

// What stands inside { }, evaluated on one span. Confined to one thread;
// borrows the expressions it is given, by whose addresses it keeps regexes.
class FieldEvaluator {
 public:
  // Of a span's events and links, so many combinations are tried.
  static constexpr uint32_t kMaxBindings = 100'000;

  // Whether one event and one link of the span (or none, where it has none)
  // make the condition true. Errors: kInvalidArgument for an int divided by
  // the int zero, unless the rest decides: `&&` with what is false, `||` and
  // another event or link with what is true, in whatever order.
  Result<bool> Holds(const Trace& trace, uint32_t row,
                     const traceql::FieldExpr& condition);
  // The value with the first event and link for which there is one; of a
  // condition, whether it holds. Borrows from trace and expression.
  Result<Value> Evaluate(const Trace& trace, uint32_t row,
                         const traceql::FieldExpr& expr);
  static Value Evaluate(const Trace& trace, uint32_t row,
                        const traceql::Attribute& attribute);

 private:
  // One span with at most an event and a link, as indexes into the batch.
  struct Binding {
    const Trace* trace;
    uint32_t row;
    uint32_t event;  // kNoRow: none
    uint32_t link;
  };
  // A value, or what divided by zero.
  struct Outcome {
    Value value;
    const traceql::FieldExpr* by_zero = nullptr;
  };

  template <typename Visit>
  static void ForEachBinding(const Trace& trace, uint32_t row, bool events,
                             bool links, const Visit& visit);
  Outcome Of(const traceql::FieldExpr& expr, const Binding& at);
  Outcome OfUnary(const traceql::FieldUnary& unary, const Binding& at);
  Outcome OfBinary(const traceql::FieldExpr& expr,
                   const traceql::FieldBinary& binary, const Binding& at);
  static Value Lookup(const traceql::Attribute& attribute, const Binding& at);
  static Value LookupScoped(const traceql::Attribute& attribute,
                            const Binding& at);
  static Value LookupIntrinsic(traceql::Intrinsic intrinsic, const Binding& at);
  const Regex& RegexOf(const traceql::FieldBinary& binary);

  std::map<const traceql::FieldBinary*, Regex> regexes_;
};

// Whether an attribute of events (of links) occurs in it.
bool MentionsEvents(const traceql::FieldExpr& expr);
bool MentionsLinks(const traceql::FieldExpr& expr);

}  // namespace khtrace::query::reference
