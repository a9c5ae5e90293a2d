// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

// What may have been meant, for error messages: a clause such as "did you mean
// 'status'?", or empty.
namespace khtrace::traceql {

// `word` stands where a literal, attribute or intrinsic belongs; `rest` is what
// follows it directly, so that `service.name` is recognised.
std::string SuggestValue(std::string_view word, std::string_view rest);

// `word` stands after "<scope>" ("span:") and is no intrinsic of it.
std::string SuggestIntrinsic(std::string_view scope, std::string_view word);

// `word` stands where a stage, aggregate or metrics function belongs.
std::string SuggestFunction(std::string_view word);

// `found` stands where an operand belongs, directly after `before`: habits
// from other languages such as `==`.
std::string SuggestOperand(std::string_view before, std::string_view found);

// `found` begins no token at all.
std::string SuggestCharacter(std::string_view found);

// `found` stands where an operator belongs, inside { } or outside.
std::string SuggestOperator(std::string_view found, bool in_filter);

}  // namespace khtrace::traceql
