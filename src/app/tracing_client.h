// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/client.h"
#include "app/terminal.h"
#include "base/result.h"

// What the commands that ask /api/tracing have in common.

namespace khtrace::app {

// An operation as the server judges it.
struct JudgedOperation {
  std::string operation;
  std::string service;
  std::string category;         // "" without
  std::string grade;            // "A" … "F"; "" without
  std::string no_grade_reason;  // then: "insufficient_data", "no_target"
  std::string reason;           // in words
  std::string trend;            // "slower"
  uint64_t count = 0;
  double calls_per_min = 0;
  double error_rate = 0;  // 0 to 1
  double p50_ms = 0;
  double p95_ms = 0;
  double p99_ms = 0;
  std::optional<double> target_ms;
  std::optional<double> confidence;  // of the grade, 0 to 1
  double critical_path_share = 0;
  double recoverable_ms_per_hour = 0;
  double impact = 0;
  double duration_factor = 0;
  double frequency_factor = 0;
  double reliability_factor = 0;
  std::string json;  // all that the server said
};

struct Advice {
  std::string type;
  std::string text;
  double confidence = 0;
  double saving_ms = 0;
  std::vector<std::string> traces;
};

struct JudgedBottleneck {
  JudgedOperation operation;
  double slow_percent = 0;
  std::vector<std::string> flags;
  std::vector<Advice> advice;
};

struct OperationPage {
  std::vector<JudgedOperation> operations;
  uint64_t total = 0;
  std::string next_cursor;  // "" on the last page
  std::string hint;         // why there is nothing
};
struct BottleneckPage {
  std::vector<JudgedBottleneck> bottlenecks;
  uint64_t total = 0;
  std::string hint;
};

// The body of a 200. kInvalidArgument with the server's words for a 400, else
// as the other commands say it.
Result<std::string> AskTracing(const ClientFlags& flags,
                               std::string_view target);

// kDataLoss: the answer is of another kind.
Result<OperationPage> ParseOperations(std::string_view json);
Result<BottleneckPage> ParseBottlenecks(std::string_view json);

// "&start=…&end=…" of --since as the other commands take it.
Result<std::string> RangeParams(std::string_view since);

// The letter in its colour, two cells wide; "–" without a grade.
std::string GradeCell(const Terminal& terminal, std::string_view grade);
// "78 ms"
std::string MillisText(const Terminal& terminal, double ms);
// "0.2 %", "12 %"; "–" for 0.
std::string PercentText(const Terminal& terminal, double share);
// "1 240", "0.35"
std::string RateText(double per_min);
// `text` in lines of the terminal's width, each behind `indent` blanks.
std::string Wrapped(const Terminal& terminal, std::string_view text,
                    size_t indent);

}  // namespace khtrace::app
