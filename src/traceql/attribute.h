// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "traceql/position.h"
#include "traceql/static_value.h"

namespace khtrace::traceql {

// Where an attribute is looked up. kAny (written `.x`) means the span, then
// its resource, then its instrumentation scope: the first that has the key.
enum class AttributeScope : uint8_t {
  kAny,
  kSpan,
  kResource,
  kEvent,
  kLink,
  kInstrumentation,
};

// The fields that every span has or that follow from its trace.
enum class Intrinsic : uint8_t {
  kNone,
  kName,
  kDuration,
  kStatus,
  kStatusMessage,
  kKind,
  kSpanId,
  kParentId,
  kChildCount,
  kSelfDuration,      // without the time in which children ran; ours
  kCriticalDuration,  // share of the trace's critical path; ours
  kNestedSetLeft,
  kNestedSetRight,
  kNestedSetParent,
  kRootName,
  kRootServiceName,
  kTraceDuration,
  kTraceId,
  kTraceSpanCount,   // ours
  kTraceErrorCount,  // ours
  kEventName,
  kEventTimeSinceStart,
  kLinkTraceId,
  kLinkSpanId,
  kInstrumentationName,
  kInstrumentationVersion,
  kPerfGrade,     // ours
  kPerfCategory,  // ours
  kParent,        // the bare word `parent`; the checker refuses it
};

struct IntrinsicInfo {
  Intrinsic intrinsic;
  // In labels, result attributes and canonical text.
  std::string_view canonical;
  // Its spelling with a scope and a colon, e.g. "span:name"; empty if none.
  std::string_view scoped;
  // Its spelling as a bare word, e.g. "name"; empty if none.
  std::string_view bare;
  Type type;
};

// One row an intrinsic, in the order of the enumerators, without kNone.
std::span<const IntrinsicInfo> Intrinsics();
// `intrinsic` is not kNone.
const IntrinsicInfo& InfoOf(Intrinsic intrinsic);
// By spelling, "name" or "span:name". kNone if there is no such intrinsic.
Intrinsic FindIntrinsic(std::string_view spelling);

// A reference to an attribute or, if `intrinsic` is not kNone, to an
// intrinsic; then the other fields have their defaults. `parent` takes the
// value from the parent span (`parent.x`, `parent.span.x`).
struct Attribute {
  AttributeScope scope = AttributeScope::kAny;
  bool parent = false;
  Intrinsic intrinsic = Intrinsic::kNone;
  std::string name;
  Position position;

  bool operator==(const Attribute&) const = default;
};

// kAttribute for what is no intrinsic and for those of the instrumentation.
Type TypeOf(const Attribute& attribute);
// As TraceQL writes it: ".a", "parent.span.a", `resource."a b"`, "name".
std::string ToString(const Attribute& attribute);
// "span" … ; empty for kAny.
std::string_view ScopeName(AttributeScope scope);

// True for what an attribute's name may hold without quotes: everything but
// white space and {}()=~!<>&|^, — so '-', '/', ':' and '[' belong to it.
bool IsNameRune(char32_t rune);
// Unicode's White_Space.
bool IsSpaceRune(char32_t rune);

}  // namespace khtrace::traceql
