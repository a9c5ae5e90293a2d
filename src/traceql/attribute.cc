// SPDX-License-Identifier: Apache-2.0
#include "traceql/attribute.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "traceql/utf8.h"

namespace khtrace::traceql {
namespace {

using I = Intrinsic;

constexpr std::array<IntrinsicInfo, 28> kIntrinsics = {{
    {I::kName, "name", "span:name", "name", Type::kString},
    {I::kDuration, "duration", "span:duration", "duration", Type::kDuration},
    {I::kStatus, "status", "span:status", "status", Type::kStatus},
    {I::kStatusMessage, "statusMessage", "span:statusMessage", "statusMessage",
     Type::kString},
    {I::kKind, "kind", "span:kind", "kind", Type::kKind},
    {I::kSpanId, "span:id", "span:id", "", Type::kString},
    {I::kParentId, "span:parentID", "span:parentID", "", Type::kString},
    {I::kChildCount, "span:childCount", "span:childCount", "", Type::kInt},
    {I::kSelfDuration, "span:selfDuration", "span:selfDuration", "",
     Type::kDuration},
    {I::kCriticalDuration, "span:criticalDuration", "span:criticalDuration", "",
     Type::kDuration},
    {I::kNestedSetLeft, "nestedSetLeft", "", "nestedSetLeft", Type::kInt},
    {I::kNestedSetRight, "nestedSetRight", "", "nestedSetRight", Type::kInt},
    {I::kNestedSetParent, "nestedSetParent", "", "nestedSetParent", Type::kInt},
    {I::kRootName, "rootName", "trace:rootName", "rootName", Type::kString},
    {I::kRootServiceName, "rootServiceName", "trace:rootService",
     "rootServiceName", Type::kString},
    {I::kTraceDuration, "traceDuration", "trace:duration", "traceDuration",
     Type::kDuration},
    {I::kTraceId, "trace:id", "trace:id", "", Type::kString},
    {I::kTraceSpanCount, "trace:spanCount", "trace:spanCount", "", Type::kInt},
    {I::kTraceErrorCount, "trace:errorCount", "trace:errorCount", "",
     Type::kInt},
    {I::kEventName, "event:name", "event:name", "", Type::kString},
    {I::kEventTimeSinceStart, "event:timeSinceStart", "event:timeSinceStart",
     "", Type::kDuration},
    {I::kLinkTraceId, "link:traceID", "link:traceID", "", Type::kString},
    {I::kLinkSpanId, "link:spanID", "link:spanID", "", Type::kString},
    {I::kInstrumentationName, "instrumentation:name", "instrumentation:name",
     "", Type::kAttribute},
    {I::kInstrumentationVersion, "instrumentation:version",
     "instrumentation:version", "", Type::kAttribute},
    {I::kPerfGrade, "perf:grade", "perf:grade", "", Type::kString},
    {I::kPerfCategory, "perf:category", "perf:category", "", Type::kString},
    {I::kParent, "parent", "", "parent", Type::kNil},
}};

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// Whether the lexer would not take `name` as it is for this reference.
bool NeedsQuotes(const Attribute& attribute) {
  const std::string_view name = attribute.name;
  if (name.empty()) return true;
  const bool unscoped = attribute.scope == AttributeScope::kAny;
  // ".5x" begins with a number, "parent.span.x" has a scope of its own.
  if (unscoped && !attribute.parent && name[0] >= '0' && name[0] <= '9') {
    return true;
  }
  if (unscoped && attribute.parent &&
      (StartsWith(name, "span.") || StartsWith(name, "resource."))) {
    return true;
  }
  for (std::string_view rest = name; !rest.empty();) {
    const char32_t rune = TakeRune(&rest);
    if (rune == '"' || !IsNameRune(rune)) return true;
  }
  return false;
}

}  // namespace

std::span<const IntrinsicInfo> Intrinsics() { return kIntrinsics; }

const IntrinsicInfo& InfoOf(Intrinsic intrinsic) {
  KHTRACE_CHECK(intrinsic != Intrinsic::kNone);
  return kIntrinsics[static_cast<size_t>(intrinsic) - 1];
}

Intrinsic FindIntrinsic(std::string_view spelling) {
  if (spelling.empty()) return Intrinsic::kNone;
  for (const IntrinsicInfo& info : kIntrinsics) {
    if (spelling == info.bare || spelling == info.scoped) return info.intrinsic;
  }
  return Intrinsic::kNone;
}

Type TypeOf(const Attribute& attribute) {
  if (attribute.intrinsic == Intrinsic::kNone) return Type::kAttribute;
  return InfoOf(attribute.intrinsic).type;
}

std::string_view ScopeName(AttributeScope scope) {
  constexpr std::array<std::string_view, 6> kNames = {
      "", "span", "resource", "event", "link", "instrumentation"};
  return kNames[static_cast<size_t>(scope)];
}

std::string ToString(const Attribute& attribute) {
  if (attribute.intrinsic != Intrinsic::kNone) {
    return std::string(InfoOf(attribute.intrinsic).canonical);
  }
  std::string out;
  if (attribute.parent) out = "parent";
  if (attribute.scope != AttributeScope::kAny) {
    if (attribute.parent) out += '.';
    out += ScopeName(attribute.scope);
  }
  out += '.';
  if (!NeedsQuotes(attribute)) return out + attribute.name;
  out += '"';
  for (const char c : attribute.name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

bool IsSpaceRune(char32_t rune) {
  return rune == ' ' || (rune >= '\t' && rune <= '\r') || rune == 0x85 ||
         rune == 0xa0 || rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200a) ||
         rune == 0x2028 || rune == 0x2029 || rune == 0x202f || rune == 0x205f ||
         rune == 0x3000;
}

bool IsNameRune(char32_t rune) {
  constexpr std::u32string_view kEnds = U"{}()=~!<>&|^,";
  return kEnds.find(rune) == kEnds.npos && !IsSpaceRune(rune);
}

}  // namespace khtrace::traceql
