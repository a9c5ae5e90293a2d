// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/span_judge.h"

namespace khtrace::query::reference {

// For tests only: the judge of cases and random queries. The built-in
// categories and bands of docs/analysis.md, and spans named "cron", which are
// of no category, with targets of their own: 1, 2, 3 and 4 s.
const SpanJudge& TestJudge();

}  // namespace khtrace::query::reference
