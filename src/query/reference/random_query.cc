// SPDX-License-Identifier: Apache-2.0
#include "query/reference/random_query.h"

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "query/reference/test_judge.h"
#include "traceql/checker.h"
#include "traceql/parser.h"

namespace khtrace::query::reference {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

constexpr std::string_view kScopes[] = {
    ".",      ".",     "span.",   "resource.",    "instrumentation.",
    "event.", "link.", "parent.", "parent.span.", "parent.resource."};
constexpr std::string_view kNumberKeys[] = {"n", "m", "f", "x", "t"};
constexpr std::string_view kTextKeys[] = {"s", "t", "service.name", "x"};
constexpr std::string_view kAnyKeys[] = {"n", "m", "f", "s", "b", "t", "x"};
constexpr std::string_view kNumberIntrinsics[] = {
    "duration",          "span:childCount",      "nestedSetLeft",
    "nestedSetRight",    "nestedSetParent",      "traceDuration",
    "trace:spanCount",   "trace:errorCount",     "event:timeSinceStart",
    "span:selfDuration", "span:criticalDuration"};
constexpr std::string_view kTextIntrinsics[] = {
    "name",          "rootName",      "rootServiceName",
    "statusMessage", "event:name",    "instrumentation:name",
    "span:id",       "span:parentID", "trace:id",
    "link:spanID",   "link:traceID",  "perf:grade",
    "perf:category", "perf:grade"};
constexpr std::string_view kTexts[] = {
    "\"a\"",  "\"b\"",   "\"ab\"",
    "\"\"",   "\"get\"", "\"front\"",
    "\"A\"",  "\"2\"",   "\"0000000000000001\"",
    "\"1\"",  "\"lib\"", "\"F\"",
    "\"api\""};
constexpr std::string_view kRegexes[] = {"\"a.*\"",    "\"[ab]\"",  "\"\"",
                                         "\".*\"",     "\"(?i)a\"", "\"0+1\"",
                                         "\"get|put\""};
constexpr std::string_view kNumbers[] = {
    "1", "2", "0.5", "3", "-1", "100ms", "1s", "2.5", "0", "5", "1.0", "7"};
constexpr std::string_view kStatuses[] = {"error", "ok", "unset"};
constexpr std::string_view kKinds[] = {"server", "client", "internal",
                                       "unspecified"};
constexpr std::string_view kCompare[] = {" = ",  " != ", " < ",
                                         " <= ", " > ",  " >= "};
constexpr std::string_view kEquality[] = {" = ", " != "};
constexpr std::string_view kMatch[] = {" =~ ", " !~ "};
// Division rarely: by zero it fails the whole query.
constexpr std::string_view kArithmetic[] = {" + ", " - ", " * ", " ^ ", " + ",
                                            " * ", " - ", " / ", " % "};
constexpr std::string_view kSpansetOps[] = {
    " && ", " || ",  " > ",  " >> ", " < ",   " << ", " ~ ",   " !> ", " !>> ",
    " !< ", " !<< ", " !~ ", " &> ", " &>> ", " &< ", " &<< ", " &~ "};
constexpr std::string_view kAggregates[] = {"min", "max", "avg", "sum"};

// Unlike arguments of a function, what stands in braces is evaluated from left
// to right: the same bytes are the same query with every compiler.
std::string All(std::initializer_list<std::string> parts) {
  std::string out;
  for (const std::string& part : parts) out += part;
  return out;
}

class Writer {
 public:
  explicit Writer(ByteSource& bytes) : bytes_(bytes) {}

  std::string Pipeline() {
    if (bytes_.OneIn(24)) return ScalarPipelines();
    if (bytes_.OneIn(16)) return CombinedPipelines();
    return All({Spansets(2), Stages()});
  }

  std::string Metrics(int depth) {
    if (depth == 0 || !bytes_.OneIn(3)) {
      return All({Spansets(2), Stages(), " | ", Function(), SecondStages()});
    }
    constexpr std::string_view kOps[] = {" + ", " - ", " * ", " / "};
    constexpr std::string_view kConstants[] = {"2", "0.5", "0"};
    switch (bytes_.Below(3)) {
      case 0:
        return All({"(", Metrics(depth - 1), ")", Of(kOps), "(",
                    Metrics(depth - 1), ")", SecondStages()});
      case 1:
        return All({"(", Metrics(depth - 1), ")", Of(kOps), Of(kConstants),
                    SecondStages()});
      default:
        return All({Of(kConstants), Of(kOps), "(", Metrics(depth - 1), ")",
                    SecondStages()});
    }
  }
  std::string Samples() {
    constexpr std::string_view kHints[] = {"sample", "span_sample",
                                           "trace_sample"};
    constexpr std::string_view kShares[] = {"0.5", "0.25", "true", "0.7", "1"};
    std::string out;
    while (out.size() < 40 && bytes_.OneIn(6)) {
      out += All({out.empty() ? " with(" : ", ", Of(kHints), "=", Of(kShares)});
    }
    return out.empty() ? out : out + ")";
  }

 private:
  template <size_t n>
  std::string Of(const std::string_view (&choices)[n]) {
    return std::string(bytes_.Of(choices));
  }

  // --- Inside { } -----------------------------------------------------------

  std::string AnyAttribute() { return All({Of(kScopes), Of(kAnyKeys)}); }
  std::string NumberAttribute() { return All({Of(kScopes), Of(kNumberKeys)}); }
  std::string Attribute() {
    if (bytes_.OneIn(4)) return Of(kNumberIntrinsics);
    if (bytes_.OneIn(4)) return Of(kTextIntrinsics);
    if (bytes_.OneIn(8)) return bytes_.OneIn(2) ? "status" : "kind";
    return AnyAttribute();
  }
  std::string Attributes() {
    std::string out = Attribute();
    while (bytes_.OneIn(3)) out += All({", ", Attribute()});
    return out;
  }

  std::string Number(int depth) {
    const uint32_t form = bytes_.Below(8);
    if (form < 4) return NumberAttribute();
    if (form == 4) return Of(kNumbers);
    if (form == 5) return Of(kNumberIntrinsics);
    if (depth == 0) return "(-.n)";
    return All(
        {"(", Number(depth - 1), Of(kArithmetic), Number(depth - 1), ")"});
  }
  std::string TextValue() {
    if (bytes_.OneIn(3)) return Of(kTextIntrinsics);
    return All({Of(kScopes), Of(kTextKeys)});
  }
  std::string Literal() {
    switch (bytes_.Below(3)) {
      case 0:
        return Of(kNumbers);
      case 1:
        return Of(kTexts);
      default:
        return bytes_.OneIn(2) ? "true" : "false";
    }
  }

  std::string Condition(int depth) {
    if (depth > 0 && bytes_.OneIn(3)) {
      return All({"(", Condition(depth - 1), bytes_.OneIn(2) ? " || " : " && ",
                  Condition(depth - 1), ")"});
    }
    if (depth > 0 && bytes_.OneIn(8)) {
      return All({"!(", Condition(depth - 1), ")"});
    }
    return Test();
  }
  std::string Test() {
    switch (bytes_.Below(8)) {
      case 0:
        return All({Number(2), Of(kCompare), Of(kNumbers)});
      case 1:
        return All({Number(2), Of(kCompare), Number(1)});
      case 2:
        return All({TextValue(), Of(kCompare),
                    bytes_.OneIn(6) ? TextValue() : Of(kTexts)});
      case 3:
        return All({TextValue(), Of(kMatch), Of(kRegexes)});
      case 4:
        if (bytes_.OneIn(2))
          return All({"status", Of(kEquality), Of(kStatuses)});
        return All({"kind", Of(kEquality), Of(kKinds)});
      case 5:
        return All({AnyAttribute(), Of(kEquality), "nil"});
      case 6:
        if (bytes_.OneIn(4)) return All({Attribute(), " != nil"});
        return All({AnyAttribute(), Of(kEquality), Literal()});
      default:
        return All({Of(kScopes), "b"});
    }
  }

  // --- Pipelines ------------------------------------------------------------

  std::string Filter() {
    if (bytes_.OneIn(5)) return "{ }";
    return All({"{ ", Condition(2), " }"});
  }
  std::string Spansets(int depth) {
    if (depth == 0 || bytes_.Below(2) == 0) return Filter();
    return All({Operand(depth - 1), Of(kSpansetOps), Operand(depth - 1)});
  }
  std::string Operand(int depth) {
    if (depth == 0) return Filter();
    return All({"(", Spansets(depth), ")"});
  }
  // Nothing may follow this and the next.
  std::string CombinedPipelines() {
    return All({"(", Filter(), Stages(), ")", Of(kSpansetOps), "(", Filter(),
                Stages(), ")"});
  }
  std::string ScalarPipelines() {
    return All({"(", Filter(), " | ", Scalar(), ")", Of(kCompare), "(",
                Filter(), " | ", Scalar(), ")"});
  }

  std::string Scalar() {
    if (bytes_.OneIn(2)) return "count()";
    return All({Of(kAggregates), "(", Number(1), ")"});
  }
  std::string ScalarFilter() {
    constexpr std::string_view kConstants[] = {"1", "2",     "0", "1.5",
                                               "3", "100ms", "1s"};
    std::string left = Scalar();
    if (bytes_.OneIn(5)) left += All({" + ", Scalar()});
    return All(
        {left, Of(kCompare), bytes_.OneIn(4) ? Scalar() : Of(kConstants)});
  }
  std::string Stage() {
    switch (bytes_.Below(6)) {
      case 0:
        return Filter();
      case 1:
      case 2:
        return ScalarFilter();
      case 3:
        return All({"by(", bytes_.OneIn(3) ? Number(1) : Attribute(), ")"});
      case 4:
        return All({"select(", Attributes(), ")"});
      default:
        return "coalesce()";
    }
  }
  std::string Stages() {
    std::string out;
    while (out.size() < 200 && bytes_.OneIn(3)) out += All({" | ", Stage()});
    return out;
  }

  // --- Metrics --------------------------------------------------------------

  std::string Measured() {
    return bytes_.OneIn(2) ? Of(kNumberIntrinsics) : NumberAttribute();
  }
  std::string By() {
    if (bytes_.OneIn(2)) return "";
    return All({" by (", Attributes(), ")"});
  }
  std::string Function() {
    switch (bytes_.Below(8)) {
      case 0:
      case 1:
        return All({"rate()", By()});
      case 2:
        return All({"count_over_time()", By()});
      case 3:
      case 4:
        return All({Of(kAggregates), "_over_time(", Measured(), ")", By()});
      case 5:
        return All({"quantile_over_time(", Measured(), ", 0.5, 0.9)", By()});
      case 6:
        return All({"histogram_over_time(", Measured(), ")", By()});
      default:
        return All({"compare(", Filter(), bytes_.OneIn(2) ? ", 1)" : ")"});
    }
  }
  std::string SecondStages() {
    constexpr std::string_view kConstants[] = {"0",   "1",     "2",
                                               "0.5", "100ms", "3"};
    constexpr std::string_view kTop[] = {" | topk(", " | bottomk("};
    std::string out;
    while (out.size() < 60 && bytes_.OneIn(4)) {
      if (bytes_.OneIn(2)) {
        out += All({Of(kTop), std::to_string(1 + bytes_.Below(3)), ")"});
      } else {
        out += All({Of(kCompare), Of(kConstants)});
      }
    }
    return out;
  }

  ByteSource& bytes_;
};

// Nearly all texts that are written are sound; those that are not (compare()
// with stages, an intrinsic that must not be tested for nil) are written anew.
template <typename Write>
traceql::Query FirstSound(ByteSource& bytes, const char* otherwise,
                          const Write& write) {
  for (int attempt = 0; attempt < 8; ++attempt) {
    Writer writer(bytes);
    auto query = traceql::ParseQuery(write(writer));
    if (query && traceql::CheckQuery(*query)) return std::move(*query);
  }
  return *traceql::ParseQuery(otherwise);
}

}  // namespace

traceql::Query RandomSearchQuery(ByteSource& bytes) {
  return FirstSound(bytes, "{ }", [](Writer& w) { return w.Pipeline(); });
}

traceql::Query RandomMetricsQuery(ByteSource& bytes) {
  return FirstSound(bytes, "{ } | rate()", [](Writer& w) {
    return All({w.Metrics(2), w.Samples()});
  });
}

SearchRequest RandomSearchRequest(ByteSource& bytes) {
  using Key = traceql::OrderBy::Key;
  constexpr Key kOrderKeys[] = {Key::kStart, Key::kDuration, Key::kSpanCount,
                                Key::kErrorCount};
  SearchRequest request;
  if (bytes.OneIn(3)) request.limit = 1 + bytes.Below(3);
  request.spans_per_spanset = bytes.Below(4);
  if (bytes.OneIn(3)) {
    request.start = {kRandomStoreStart.ns + bytes.Below(60) * kSecond};
    request.end = {request.start.ns + bytes.Below(30) * kSecond};
  }
  if (bytes.OneIn(2)) {
    const Key key = bytes.Of(kOrderKeys);
    request.order = traceql::OrderBy{key, bytes.OneIn(2)};
  }
  request.totals = bytes.OneIn(3);
  request.judge = &TestJudge();
  return request;
}

MetricsRequest RandomMetricsRequest(ByteSource& bytes) {
  constexpr uint64_t kSteps[] = {20 * kSecond, 7 * kSecond, kSecond,
                                 100 * kSecond, 0};
  MetricsRequest request;
  request.start = {kRandomStoreStart.ns + bytes.Below(30) * kSecond};
  request.end = {request.start.ns + (1 + bytes.Below(40)) * kSecond};
  request.step_nanos = bytes.Of(kSteps);
  request.instant = bytes.OneIn(5);
  if (bytes.OneIn(4)) request.max_exemplars = 0;
  if (bytes.OneIn(6)) request.max_series = 1 + bytes.Below(4);
  request.judge = &TestJudge();
  return request;
}

}  // namespace khtrace::query::reference
