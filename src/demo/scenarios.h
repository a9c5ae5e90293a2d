// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "demo/scene.h"

namespace khtrace::demo {

// What stays from one trace to the next.
struct ShopState {
  // Changed products and articles that the indexer has not taken up yet.
  std::vector<SpanContext> unindexed;
};

// One kind of request, and how often it comes.
struct Scenario {
  std::string_view name;
  uint32_t weight;
  void (*play)(Scene& scene, ShopState& state);
};

// Browsing, searching, buying: scenarios_shop.cc.
std::span<const Scenario> ShopScenarios();
// Memory search, the assistant, sessions, articles: scenarios_knowledge.cc.
std::span<const Scenario> KnowledgeScenarios();

// Steps that several scenarios share.
// What a root HTTP span says about who asks, and their session.
void WelcomeVisitor(Scene& s);
// Asks identity whether the visitor's token is good.
bool VerifyToken(Scene& s);
bool RestoreSession(Scene& s);
bool SearchMemory(Scene& s);
// Product ids and the like.
std::string_view EntityPath(Scene& s, std::string_view prefix,
                            std::string_view suffix = {});

}  // namespace khtrace::demo
