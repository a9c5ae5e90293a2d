// SPDX-License-Identifier: Apache-2.0
#include "traceql/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.h"
#include "traceql/attribute.h"
#include "traceql/utf8.h"

namespace khtrace::traceql {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::array<std::string_view, 20> kFunctions = {"by",
                                                         "select",
                                                         "coalesce",
                                                         "count",
                                                         "min",
                                                         "max",
                                                         "avg",
                                                         "sum",
                                                         "rate",
                                                         "compare",
                                                         "topk",
                                                         "bottomk",
                                                         "count_over_time",
                                                         "min_over_time",
                                                         "max_over_time",
                                                         "avg_over_time",
                                                         "sum_over_time",
                                                         "quantile_over_time",
                                                         "histogram_over_time",
                                                         "with"};

bool IsFunction(std::string_view word) {
  return std::find(kFunctions.begin(), kFunctions.end(), word) !=
         kFunctions.end();
}

std::string DidYouMean(std::string_view what) {
  return what.empty() ? std::string() : fmt::format("did you mean '{}'?", what);
}

template <size_t n>
std::string_view Find(const std::array<Pair, n>& pairs, std::string_view key) {
  for (const auto& [from, to] : pairs) {
    if (from == key) return to;
  }
  return {};
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// The rest of a name that was begun by a word: ".name" of `service.name = `.
std::string_view NameTail(std::string_view rest) {
  if (rest.empty() || rest[0] != '.') return {};
  std::string_view left = rest;
  while (!left.empty() && IsNameRune(FirstRune(left))) TakeRune(&left);
  return rest.substr(0, rest.size() - left.size());
}

constexpr std::array<std::string_view, 5> kScopes = {
    "span", "resource", "event", "link", "instrumentation"};

// For `word`.`tail`, where `word` is no scope.
std::string SuggestName(std::string_view word, std::string_view tail) {
  const std::string intrinsic = fmt::format("{}:{}", word, tail);
  if (FindIntrinsic(intrinsic) != Intrinsic::kNone) {
    return DidYouMean(intrinsic);
  }
  if (const auto scope = NearestWord(Lower(word), kScopes)) {
    return DidYouMean(fmt::format("{}.{}", *scope, Shortened(tail)));
  }
  const std::string name = Shortened(fmt::format("{}.{}", word, tail));
  if (name == "service.name") {
    return "attributes need a scope: did you mean 'resource.service.name'?";
  }
  return fmt::format(
      "attributes need a scope: did you mean 'span.{0}', 'resource.{0}' or "
      "'.{0}'?",
      name);
}

}  // namespace

std::string SuggestValue(std::string_view word, std::string_view rest) {
  if (const std::string_view tail = NameTail(rest); !tail.empty()) {
    return SuggestName(word, tail.substr(1));
  }
  if (std::find(kScopes.begin(), kScopes.end(), word) != kScopes.end()) {
    return "a scope and its dot and name stand together: " + std::string(word) +
           ".name";
  }
  if (IsFunction(word)) return "functions stand outside { }, after a '|'";
  if (word.substr(0, 3) == "\u201c") return "texts have straight quotes: \"";
  constexpr std::array<Pair, 18> kKnown = {
      {{"null", "nil"},
       {"none", "nil"},
       {"true", "true"},
       {"false", "false"},
       {"err", "error"},
       {"id", "span:id"},
       {"spanid", "span:id"},
       {"traceid", "trace:id"},
       {"parentid", "span:parentID"},
       {"childcount", "span:childCount"},
       {"rootservice", "rootServiceName"},
       {"spanname", "name"},
       {"service", "resource.service.name"},
       {"servicename", "resource.service.name"},
       {"minint", "minInt"},
       {"maxint", "maxInt"},
       {"selfduration", "span:selfDuration"},
       {"not", "!"}}};
  if (const std::string_view known = Find(kKnown, Lower(word));
      !known.empty() && known != word) {
    return DidYouMean(known);
  }
  std::vector<std::string_view> words = {
      "true",   "false",  "nil",      "ok",       "error",    "unset",
      "client", "server", "internal", "producer", "consumer", "unspecified"};
  for (const IntrinsicInfo& info : Intrinsics()) {
    if (!info.bare.empty() && info.intrinsic != Intrinsic::kParent) {
      words.push_back(info.bare);
    }
  }
  if (const auto nearest = NearestWord(word, words)) {
    return DidYouMean(*nearest);
  }
  return fmt::format("an attribute is written '.{0}', a text \"{0}\"",
                     Shortened(word));
}

std::string SuggestIntrinsic(std::string_view scope, std::string_view word) {
  std::vector<std::string_view> ours;
  for (const IntrinsicInfo& info : Intrinsics()) {
    if (info.scoped.substr(0, scope.size()) == scope) {
      ours.push_back(info.scoped);
    }
  }
  for (const IntrinsicInfo& info : Intrinsics()) {
    const size_t colon = info.scoped.find(':');
    if (info.intrinsic == Intrinsic::kParent) continue;
    if (info.bare == word && !word.empty()) return DidYouMean(info.bare);
    if (colon != info.scoped.npos && info.scoped.substr(colon + 1) == word) {
      return DidYouMean(info.scoped);
    }
  }
  const std::string written = std::string(scope) + std::string(word);
  if (const auto nearest = NearestWord(written, ours)) {
    return DidYouMean(*nearest);
  }
  std::string list;
  for (const std::string_view spelling : ours) {
    list += list.empty() ? "" : ", ";
    list += spelling;
  }
  return "there are " + list;
}

std::string SuggestFunction(std::string_view word) {
  if (const auto nearest = NearestWord(Lower(word), kFunctions)) {
    return *nearest == word ? std::string() : DidYouMean(*nearest);
  }
  return {};
}

std::string SuggestOperand(std::string_view before, std::string_view found) {
  if (before == "=" && found == "=") return "equality is a single '='";
  if (before == "=" && found == ">") return DidYouMean(">=");
  if (before == "=" && found == "<") return DidYouMean("<=");
  if (before == "<" && found == ">") return DidYouMean("!=");
  if (before == "!=" && found == "=") return DidYouMean("!=");
  if (before == "!" && found == "=") {
    return "'!=' is written without a space";
  }
  return {};
}

std::string SuggestCharacter(std::string_view found) {
  constexpr std::array<Pair, 5> kKnown = {
      {{"'", "texts are written in double quotes or backticks"},
       {"&", "did you mean '&&'?"},
       {"#", "comments begin with //"},
       {"[", "there are no lists: combine with || or use =~"},
       {";", "the stages of a pipeline are joined by '|'"}}};
  return std::string(Find(kKnown, found));
}

std::string SuggestOperator(std::string_view found, bool in_filter) {
  constexpr std::array<Pair, 10> kWords = {{{"and", "&&"},
                                            {"or", "||"},
                                            {"in", "=~"},
                                            {"like", "=~"},
                                            {"contains", "=~"},
                                            {"matches", "=~"},
                                            {"is", "="},
                                            {"eq", "="},
                                            {"not", "!="},
                                            {"mod", "%"}}};
  if (const std::string_view op = Find(kWords, Lower(found)); !op.empty()) {
    return DidYouMean(op);
  }
  if (in_filter && found == "!") return DidYouMean("!=");
  if (found == "with") return "with(…) ends the whole query";
  if (!in_filter && IsFunction(found)) return "stages are joined by '|'";
  constexpr std::array<std::string_view, 14> kStructural = {
      ">>", "<<", "~",   "!>",  "!<", "!>>", "!<<",
      "&>", "&<", "&>>", "&<<", "&~", "|",   "{"};
  const bool structural = std::find(kStructural.begin(), kStructural.end(),
                                    found) != kStructural.end();
  if (!in_filter || !structural) return {};
  if (found == "|") return "did you mean '||'?";
  if (found == "{") return {};
  return "operators of structure stand between filters: { … } " +
         std::string(found) + " { … }";
}

}  // namespace khtrace::traceql
