// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <forward_list>
#include <memory>
#include <string>
#include <vector>

#include "query/frame_eval.h"
#include "query/metrics.h"
#include "query/value.h"
#include "traceql/ast.h"

// How spans become the samples of time series.

namespace khtrace::query {

// What a metrics function reads of a span.
struct FoldPlan {
  const traceql::MetricsAggregate* aggregate = nullptr;
  Leaf start;
  std::optional<Expr> value;  // of the functions with an attribute
  std::vector<Expr> by;
  // compare()'s.
  struct Compared {
    std::string key;
    Expr value;
    bool skip_empty = false;
  };
  std::optional<Expr> selection;
  std::vector<Compared> compared;
};

// Numbers for values: equal values, equal numbers. Keeps their text.
class ValueNumbers {
 public:
  uint32_t Add(const Value& value);
  size_t size() const { return values_.size(); }
  size_t MemoryBytes() const {
    // A text, a value, and its place in the table.
    const size_t each = sealed_ ? sizeof(Value) : 160;
    return values_.size() * each + text_bytes_;
  }
  // Nothing is added any more.
  void Seal();
  const Value& value(uint32_t number) const { return values_[number]; }

 private:
  struct Hash {
    size_t operator()(const Value& value) const { return HashOf(value); }
  };
  struct Equal {
    bool operator()(const Value& a, const Value& b) const {
      return SameValue(a, b);
    }
  };
  boost::unordered_flat_map<Value, uint32_t, Hash, Equal> numbers_;
  std::vector<Value> values_;
  std::forward_list<std::string> texts_;
  std::unique_ptr<char[]> sealed_texts_;  // instead
  size_t text_bytes_ = 0;
  bool sealed_ = false;
};

// The samples of one function, gathered frame by frame. Confined to one
// thread; what several threads gathered is merged.
class MetricsFold {
 public:
  virtual ~MetricsFold() = default;

  // Adds the selected rows, each of which counts as `weight` spans.
  // kResourceExhausted: more series than memory for them.
  virtual Status Add(FrameEval& eval, const Mask& rows, double weight) = 0;
  // `other` is of an equal plan and axis, which need not be there any more.
  virtual Status Merge(const MetricsFold& other) = 0;
  // Lets go of what only Add needs.
  virtual void Seal() {}
  virtual size_t MemoryBytes() const = 0;
  virtual std::vector<Series> Take() = 0;
};

// `plan` and `axis` outlive the fold. `exemplars`: how many a frame gives at
// most.
std::unique_ptr<MetricsFold> MakeFold(const FoldPlan& plan,
                                      const TimeAxis& axis, size_t exemplars);
std::unique_ptr<MetricsFold> MakeCompareFold(const FoldPlan& plan,
                                             const TimeAxis& axis);

// Bytes that the samples of one function may take. Larger: more series and
// longer ranges; smaller: less memory a query.
inline constexpr size_t kMaxFoldBytes = 256u << 20;

}  // namespace khtrace::query
