// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "query/frame_eval.h"
#include "query/mentions.h"
#include "query/search.h"
#include "query/spansets.h"
#include "query/top_traces.h"

// From rows of frames to what a search answers.

namespace khtrace::query {

// The columns of an answer.
struct HitColumns {
  struct Shown {
    std::string key;
    Expr value;
    bool shows_nil = false;
  };
  Leaf span_id;
  Leaf name;
  Leaf start;
  Leaf duration;
  Leaf status;
  Leaf service;
  std::vector<Shown> shown;
};

Result<HitColumns> MakeHitColumns(const std::vector<Mention>& mentions,
                                  ColumnSet* columns);

// Confined to one thread.
class HitMaker {
 public:
  // `columns` outlives the maker.
  explicit HitMaker(const HitColumns& columns) : columns_(columns) {}

  // Appends a hit for each of `traces` with its spansets; ends behind the one
  // with which they take more than `max_bytes`.
  Status Make(FrameEval& eval, const Spansets& sets,
              std::span<const uint32_t> traces, size_t spans_per_spanset,
              size_t max_bytes, std::vector<SizedHit>* out);

 private:
  Status Load(FrameEval& eval);
  TraceHit MakeTrace(FrameEval& eval, uint32_t trace);
  void AddSpansets(FrameEval& eval, const Spansets& sets, uint32_t trace,
                   size_t spans_per_spanset, SizedHit* out);
  void AddServices(FrameEval& eval, uint32_t first, uint32_t end,
                   TraceHit* hit);
  SpanHit MakeSpan(FrameEval& eval, uint32_t row) const;
  std::string_view TextOf(FrameEval& eval, const Leaf& leaf,
                          uint32_t row) const;

  const HitColumns& columns_;
};

}  // namespace khtrace::query
