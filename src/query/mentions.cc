// SPDX-License-Identifier: Apache-2.0
#include "query/mentions.h"

#include <algorithm>
#include <string>

namespace khtrace::query {
namespace {

using traceql::Attribute;
using traceql::Box;
using traceql::FieldExpr;
using traceql::Intrinsic;
using traceql::Pipeline;
using traceql::ScalarExpr;
using traceql::SpansetExpr;

using traceql::MetricsExpr;

// Of a metrics query, the first pipeline as it is read.
const Pipeline* PipelineOf(const MetricsExpr& expr) {
  if (const auto* query = std::get_if<traceql::MetricsQuery>(&expr.node)) {
    return &query->pipeline;
  }
  const auto* binary = std::get_if<traceql::MetricsBinary>(&expr.node);
  if (binary == nullptr) return nullptr;
  const Pipeline* left = PipelineOf(*binary->left);
  return left != nullptr ? left : PipelineOf(*binary->right);
}

class Collector {
 public:
  void Add(const Pipeline& pipeline) {
    for (const traceql::Stage& stage : pipeline.stages) {
      std::visit([this](const auto& s) { Add(s); }, stage);
    }
  }
  void Add(const traceql::MetricsExpr& expr) {
    if (const auto* query = std::get_if<traceql::MetricsQuery>(&expr.node)) {
      Add(query->pipeline);
      Add(query->aggregate);
    } else if (const auto* binary =
                   std::get_if<traceql::MetricsBinary>(&expr.node)) {
      Add(*binary->left);
      Add(*binary->right);
    }
  }
  void Add(const FieldExpr& expr) {
    if (const auto* attribute = std::get_if<Attribute>(&expr.node)) {
      Add(*attribute, false);
    } else if (const auto* unary =
                   std::get_if<traceql::FieldUnary>(&expr.node)) {
      const auto* tested = std::get_if<Attribute>(&unary->operand->node);
      if (tested != nullptr && unary->op == traceql::UnaryOp::kNotExists) {
        Add(*tested, true);
      } else {
        Add(*unary->operand);
      }
    } else if (const auto* binary =
                   std::get_if<traceql::FieldBinary>(&expr.node)) {
      Add(*binary->left);
      Add(*binary->right);
    }
  }

  std::vector<Mention> Take() { return std::move(mentions_); }

 private:
  void Add(const SpansetExpr& expr) {
    if (const auto* filter = std::get_if<traceql::SpansetFilter>(&expr.node)) {
      Add(filter->condition);
    } else if (const auto* binary =
                   std::get_if<traceql::SpansetBinary>(&expr.node)) {
      Add(*binary->left);
      Add(*binary->right);
    } else {
      Add(*std::get<Box<Pipeline>>(expr.node));
    }
  }
  void Add(const traceql::ScalarFilter& filter) {
    Add(filter.left);
    Add(filter.right);
  }
  void Add(const traceql::GroupBy& stage) { Add(stage.key); }
  void Add(const traceql::Coalesce&) {}
  void Add(const traceql::Select& stage) {
    for (const Attribute& attribute : stage.attributes) Add(attribute, false);
  }
  void Add(const ScalarExpr& expr) {
    if (const auto* aggregate = std::get_if<traceql::Aggregate>(&expr.node)) {
      Add(*aggregate);
    } else if (const auto* negate =
                   std::get_if<traceql::ScalarNegate>(&expr.node)) {
      Add(*negate->operand);
    } else if (const auto* binary =
                   std::get_if<traceql::ScalarBinary>(&expr.node)) {
      Add(*binary->left);
      Add(*binary->right);
    } else if (const auto* scalar =
                   std::get_if<traceql::ScalarPipeline>(&expr.node)) {
      Add(*scalar->pipeline);
      Add(scalar->aggregate);
    }
  }
  void Add(const traceql::Aggregate& aggregate) {
    if (aggregate.operand) Add(*aggregate.operand);
  }
  void Add(const traceql::MetricsAggregate& aggregate) {
    if (aggregate.attribute) Add(*aggregate.attribute, false);
    if (aggregate.compare) Add(aggregate.compare->selection.condition);
    for (const Attribute& attribute : aggregate.by) Add(attribute, false);
  }
  void Add(const Attribute& attribute, bool tested_for_nil) {
    for (Mention& mention : mentions_) {
      if (mention.attribute != attribute) continue;
      mention.tested_for_nil |= tested_for_nil;
      return;
    }
    mentions_.push_back({attribute, tested_for_nil});
  }

  std::vector<Mention> mentions_;
};

}  // namespace

std::vector<Mention> MentionsOf(const Pipeline& pipeline) {
  Collector collector;
  collector.Add(pipeline);
  return collector.Take();
}

std::vector<Mention> MentionsOf(const FieldExpr& expr) {
  Collector collector;
  collector.Add(expr);
  return collector.Take();
}

std::vector<Mention> MentionsOf(const traceql::Query& query) {
  Collector collector;
  std::visit([&](const auto& root) { collector.Add(root); }, query.root);
  return collector.Take();
}

const Pipeline& PipelineOf(const traceql::Query& query) {
  if (!query.is_metrics()) return std::get<Pipeline>(query.root);
  return *PipelineOf(std::get<MetricsExpr>(query.root));
}

bool ShownElsewhere(const Attribute& attribute) {
  switch (attribute.intrinsic) {
    case Intrinsic::kName:
    case Intrinsic::kDuration:
    case Intrinsic::kSpanId:
    case Intrinsic::kRootName:
    case Intrinsic::kRootServiceName:
    case Intrinsic::kTraceDuration:
    case Intrinsic::kTraceId:
    case Intrinsic::kTraceSpanCount:
    case Intrinsic::kTraceErrorCount:
      return true;
    default:
      return false;
  }
}

std::string KeyOf(const Attribute& attribute) {
  if (attribute.intrinsic != Intrinsic::kNone) return ToString(attribute);
  return attribute.parent ? "parent." + attribute.name : attribute.name;
}

}  // namespace khtrace::query
