// SPDX-License-Identifier: Apache-2.0
#include "query/reference/structure.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace khtrace::query::reference {
namespace {

using traceql::SpansetOp;

enum class Form : uint8_t { kPlain, kNot, kUnion };

Form FormOf(SpansetOp op) {
  if (op >= SpansetOp::kUnionChild) return Form::kUnion;
  return op >= SpansetOp::kNotChild ? Form::kNot : Form::kPlain;
}

// Whether r is the child, descendant, … of l that `op` is about.
bool Holds(const Trace& trace, SpansetOp op, uint32_t l, uint32_t r) {
  switch (op) {
    case SpansetOp::kChild:
    case SpansetOp::kNotChild:
    case SpansetOp::kUnionChild:
      return trace.IsParent(l, r);
    case SpansetOp::kDescendant:
    case SpansetOp::kNotDescendant:
    case SpansetOp::kUnionDescendant:
      return trace.IsAncestor(l, r);
    case SpansetOp::kParent:
    case SpansetOp::kNotParent:
    case SpansetOp::kUnionParent:
      return trace.IsParent(r, l);
    case SpansetOp::kAncestor:
    case SpansetOp::kNotAncestor:
    case SpansetOp::kUnionAncestor:
      return trace.IsAncestor(r, l);
    case SpansetOp::kSibling:
    case SpansetOp::kNotSibling:
    case SpansetOp::kUnionSibling:
      return trace.IsSibling(l, r);
    case SpansetOp::kAnd:
    case SpansetOp::kOr:
      break;
  }
  KHTRACE_CHECK(false);
  return false;
}

}  // namespace

std::vector<uint32_t> Related(const Trace& trace, SpansetOp op,
                              const std::vector<uint32_t>& left,
                              const std::vector<uint32_t>& right) {
  const Form form = FormOf(op);
  std::vector<uint32_t> out;
  std::vector<uint32_t> partners;
  for (const uint32_t r : right) {
    bool some = false;
    for (const uint32_t l : left) {
      if (!Holds(trace, op, l, r)) continue;
      some = true;
      partners.push_back(l);
    }
    if (some == (form != Form::kNot)) out.push_back(r);
  }
  if (form != Form::kUnion) return out;
  std::sort(partners.begin(), partners.end());
  partners.erase(std::unique(partners.begin(), partners.end()), partners.end());
  return Union(out, partners);
}

std::vector<uint32_t> Union(const std::vector<uint32_t>& a,
                            const std::vector<uint32_t>& b) {
  std::vector<uint32_t> out;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(),
                 std::back_inserter(out));
  return out;
}

}  // namespace khtrace::query::reference
