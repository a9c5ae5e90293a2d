// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "app/client.h"
#include "base/result.h"

namespace khtrace::app {

struct TraceQlFlags {
  std::string query;
  std::string since = "1h";
  std::string until;
  int limit = 20;  // traces or series
  // Of traces: what the hint `order_by` takes; empty: as the query says.
  std::string order;
  enum class Format { kTable, kJson, kCsv } format = Format::kTable;
  ClientFlags client;
  std::string color = "auto";
};

// Asks the server's Tempo API and prints the answer: a table of traces, or
// charts where the query asks for series. kInvalidArgument: the flags or the
// query are at fault, and the message shows where.
Status RunTraceQl(const TraceQlFlags& flags);

}  // namespace khtrace::app
