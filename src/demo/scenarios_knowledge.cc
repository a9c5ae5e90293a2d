// SPDX-License-Identifier: Apache-2.0
// The knowledge base: memory search, the assistant, sessions, articles.
#include <algorithm>
#include <array>

#include "demo/scenarios.h"

namespace khtrace::demo {

using namespace std::chrono_literals;
namespace {

using enum ServiceId;

constexpr std::array<std::string_view, 8> kQuestions{
    "how do I return a damaged lamp",
    "which charger fits the travel kettle",
    "warranty of the oak table",
    "install the water filter",
    "washing instructions for a wool jacket",
    "delivery times to the islands",
    "grinder settings for espresso",
    "battery of the garden light",
};
constexpr std::array<std::string_view, 3> kChatModels{
    "gpt-4o-mini", "claude-sonnet-4", "mistral-large"};
constexpr std::array<std::string_view, 6> kSlugs{
    "returns",         "shipping-costs", "care-for-wool", "filter-installation",
    "warranty-claims", "gift-cards"};

std::string_view Question(Scene& s) {
  return kQuestions[s.rng().Below(kQuestions.size())];
}

void MemoryEmbedding(Scene& s) {
  const int64_t tokens = s.rng().Count(24, 0.5);
  s.Text("memory.query", Question(s));
  s.Int("memory.query.tokens", tokens);
  const bool cached =
      s.Redis("GET",
              s.sketch().Format("embedding:{:08x}", s.rng().Below(1u << 30))) &&
      s.rng().Chance(0.45);
  s.Bool("memory.embedding.cached", cached);
  if (cached) return;
  const bool good =
      s.Http({kEmbeddingService, "POST", "/embed", "/embed"}, [&] {
        s.Internal("tokenize", [&] {
          s.Int("text.tokens", tokens);
          s.Work(600us, 0.4);
        });
        if (!s.Embed("text-embedding-3-small", tokens)) {
          s.Fail(Fault::kUpstream, "text-embedding-3-small");
        }
      });
  if (!good) s.Fail(Fault::kUpstream, "embedding-service");
}

// The version that is rolled out lost its index: it looks at every vector.
void MemoryVectorSearch(Scene& s) {
  const bool exact = s.OnNextVersion();
  s.Text("memory.index.type", exact ? "flat" : "hnsw");
  s.Int("memory.top_k", 20);
  s.Int("memory.candidates", exact ? 48'211 : s.rng().Between(180, 260));
  const bool good =
      s.Sql({kMemoryDb, "SELECT", "memory_chunks",
             "SELECT id, article_id, chunk, embedding <=> $1 AS distance FROM "
             "memory_chunks WHERE tenant_id = $2 ORDER BY distance LIMIT 20",
             exact ? Scene::Nanos(70ms) : Scene::Nanos(13ms), 20});
  if (!good) s.Fail(Fault::kUpstream, kMemoryDb.host);
}

void MemoryEnrichment(Scene& s) {
  const int64_t hits = s.rng().Between(3, 20);
  s.Int("memory.results", hits);
  s.Redis("MGET", s.sketch().Format("article:{{{} keys}}", hits));
  if (s.rng().Chance(0.4)) {
    s.Sql({kMemoryDb, "SELECT", "articles",
           "SELECT id, title, url, updated_at FROM articles WHERE id = ANY($1)",
           3ms, hits});
  }
  s.Work(900us, 0.5);
}

void PlayMemorySearch(Scene& s, ShopState&) {
  const bool mobile = s.rng().Chance(0.5);
  const HttpOperation entry =
      mobile ? HttpOperation{kMobileGateway, "POST", "/m/v1/memory/search",
                             "/m/v1/memory/search"}
             : HttpOperation{kWebStorefront, "POST", "/help/search",
                             "/help/search"};
  s.ServeHttp(entry, [&] {
    WelcomeVisitor(s);
    if (s.rng().Chance(0.5)) VerifyToken(s);
    const bool good = s.Http(
        {kKnowledgehubApi, "POST", "/api/memory/search", "/api/memory/search"},
        [&] {
          if (!SearchMemory(s)) s.Fail(Fault::kUpstream, "memory.search");
        });
    if (!good) s.Fail(Fault::kUpstream, "knowledgehub-api");
  });
}

void AnswerQuestion(Scene& s) {
  const std::string_view model = kChatModels[s.rng().Below(kChatModels.size())];
  s.Text("assistant.question", Question(s));
  s.Internal("build_prompt", [&] {
    s.Int("prompt.chunks", s.rng().Between(3, 12));
    s.Work(2ms, 0.5);
  });
  bool good = s.Chat(model, s.rng().Count(1800, 0.5), s.rng().Count(60, 0.4));
  if (good && s.rng().Chance(0.45)) {
    s.Internal("execute_tool lookup_order", [&] {
      s.Text("gen_ai.operation.name", "execute_tool");
      s.Text("gen_ai.tool.name", "lookup_order");
      s.Sql({kShopDb, "SELECT", "orders",
             "SELECT id, status, eta FROM orders WHERE customer_id = $1 ORDER "
             "BY placed_at DESC LIMIT 5",
             4ms, 5});
    });
    good = s.Chat(model, s.rng().Count(2100, 0.5), s.rng().Count(160, 0.5));
  }
  if (!good) s.Fail(Fault::kUpstream, model);
}

void PlayAssistant(Scene& s, ShopState&) {
  s.ServeHttp(
      {kWebStorefront, "POST", "/assistant/ask", "/assistant/ask"}, [&] {
        WelcomeVisitor(s);
        const bool good = s.Http(
            {kKnowledgehubApi, "POST", "/api/assistant/ask",
             "/api/assistant/ask"},
            [&] {
              Scene::Fork fork(s);
              RestoreSession(s);
              fork.Next();
              SearchMemory(
                  s);  // without it the model answers from the question
              fork.Join();
              if (!s.Http({kAssistant, "POST", "/v1/answer", "/v1/answer"},
                          [&] { AnswerQuestion(s); })) {
                s.Fail(Fault::kUpstream, "assistant");
              }
            });
        if (!good) s.Fail(Fault::kUpstream, "knowledgehub-api");
      });
}

void PlaySessionRestore(Scene& s, ShopState&) {
  s.ServeHttp({kMobileGateway, "GET", "/m/v1/session", "/m/v1/session"}, [&] {
    WelcomeVisitor(s);
    VerifyToken(s);
    if (!s.Http({kKnowledgehubApi, "POST", "/api/session/restore",
                 "/api/session/restore"},
                [&] {
                  if (!RestoreSession(s)) {
                    s.Fail(Fault::kUpstream, "session-service");
                  }
                })) {
      s.Fail(Fault::kUpstream, "knowledgehub-api");
    }
  });
}

void PlayArticle(Scene& s, ShopState& state) {
  const std::string_view slug = kSlugs[s.rng().Below(kSlugs.size())];
  const bool edit = s.rng().Chance(0.15);
  const std::string_view method = edit ? "PUT" : "GET";
  s.ServeHttp(
      {kWebStorefront, method, "/help/{slug}",
       s.sketch().Format("/help/{}", slug)},
      [&] {
        WelcomeVisitor(s);
        const HttpOperation article{kArticles, method, "/articles/{slug}",
                                    s.sketch().Format("/articles/{}", slug)};
        s.Http(article, [&] {
          s.Redis("GET", s.sketch().Format("article:{}", slug));
          if (s.rng().Chance(0.03)) return s.SetHttpStatus(404);
          s.Sql(
              {kMemoryDb, edit ? "UPDATE" : "SELECT", "articles",
               edit ? "UPDATE articles SET body = $1, updated_at = now() WHERE "
                      "slug = $2"
                    : "SELECT id, title, body FROM articles WHERE slug = $1",
               4ms, edit ? -1 : 1});
          s.Internal("render_markdown", [&] {
            s.Int("article.characters", s.rng().Count(5200, 0.6));
            s.Work(3ms, 0.5);
          });
          if (edit) {
            state.unindexed.push_back(s.ContextOf(
                s.Publish("articles.changed", s.rng().Count(400, 0.4))));
          }
        });
      });
}

// The indexer takes changes up in batches: a trace of its own, with links.
void PlayIndexing(Scene& s, ShopState& state) {
  const std::vector<SpanContext> messages = std::move(state.unindexed);
  state.unindexed.clear();
  s.ServeBatch(kSearchIndexer, "articles.changed", messages, [&] {
    const size_t count = std::clamp<size_t>(messages.size(), 1, 8);
    for (size_t i = 0; i < count; ++i) {
      s.Internal("index_document", [&] {
        s.Sql({kMemoryDb, "SELECT", "articles",
               "SELECT id, title, body FROM articles WHERE id = $1", 3ms, 1});
        s.Http({kEmbeddingService, "POST", "/embed", "/embed"}, [&] {
          if (!s.Embed("text-embedding-3-small", s.rng().Count(900, 0.5))) {
            s.Fail(Fault::kUpstream, "text-embedding-3-small");
          }
        });
      });
    }
    s.Sql({kProductIndex, "bulk", "articles", "POST /articles/_bulk", 18ms});
  });
}

constexpr std::array<Scenario, 5> kScenarios{{
    {"memory search", 190, PlayMemorySearch},
    {"assistant", 70, PlayAssistant},
    {"session restoration", 90, PlaySessionRestore},
    {"article", 60, PlayArticle},
    {"indexing", 15, PlayIndexing},
}};

}  // namespace

bool SearchMemory(Scene& s) {
  return s.Internal("memory.search", [&] {
    s.Text("memory.scope", s.rng().Chance(0.7) ? "articles" : "conversations");
    s.Text("user.id", s.sketch().Format("u-{:06}", s.rng().Below(40'000)));
    bool good = s.Internal("memory.embedding", [&] { MemoryEmbedding(s); });
    good = good &&
           s.Internal("memory.vector_search", [&] { MemoryVectorSearch(s); });
    if (!good) return s.Fail(Fault::kUpstream, "memory index");
    s.Internal("memory.enrichment", [&] { MemoryEnrichment(s); });
  });
}

bool RestoreSession(Scene& s) {
  const HttpOperation restore{kSessionService, "GET", "/sessions/{id}",
                              EntityPath(s, "/sessions/")};
  return s.Http(restore, [&] {
    s.Internal("session.restore", [&] {
      const int64_t items = s.rng().Between(1, 30);
      s.Int("session.items", items);
      s.Redis("HGETALL",
              s.sketch().Format("session:{}", s.rng().Below(90'000)));
      const bool cold = s.rng().Chance(0.3);
      s.Bool("session.cold", cold);
      if (cold && !s.Sql({kShopDb, "SELECT", "sessions",
                          "SELECT payload, version FROM sessions WHERE id = $1",
                          5ms, 1})) {
        return s.Fail(Fault::kUpstream, kShopDb.host);
      }
      s.Internal("session.deserialize", [&] { s.Work(40us * items, 0.4); });
    });
  });
}

std::span<const Scenario> KnowledgeScenarios() { return kScenarios; }

}  // namespace khtrace::demo
