// SPDX-License-Identifier: Apache-2.0
// The shop: browsing, searching, buying.
#include <array>

#include "demo/scenarios.h"

namespace khtrace::demo {

using namespace std::chrono_literals;
namespace {

using enum ServiceId;

constexpr std::array<std::string_view, 4> kUserAgents{
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_1) Version/19.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Firefox/145.0",
    "KnowledgeShop/5.2 (Android 16)",
};
constexpr std::array<std::string_view, 6> kSearches{
    "oak table", "usb charger",    "wool jacket",
    "espresso",  "garden lantern", "water filter"};

void LoadProduct(Scene& s) {
  const uint64_t id = s.rng().Below(60'000);
  s.Int("product.id", static_cast<int64_t>(id));
  const bool hit = s.Redis("GET", s.sketch().Format("product:{}", id)) &&
                   s.rng().Chance(0.7);
  if (!hit && !s.Sql({kShopDb, "SELECT", "products",
                      "SELECT id, title, body, media FROM products WHERE id = "
                      "$1 AND deleted_at IS NULL",
                      3ms, 1})) {
    s.Fail(Fault::kUpstream, kShopDb.host);
  }
}

bool QuotePrice(Scene& s) {
  return s.Grpc(kPricing, "Quote", [&] {
    s.Internal("PriceRules.apply", [&] {
      s.Int("pricing.rules", s.rng().Between(3, 40));
      s.Work(1500us, 0.6);
    });
    s.Redis("MGET", "discounts:{current}");
  });
}

bool CheckStock(Scene& s, std::string_view method) {
  return s.Grpc(kInventory, method, [&] {
    const bool write = method == "Reserve";
    if (!s.Sql({kShopDb, write ? "UPDATE" : "SELECT", "stock_levels",
                write ? "UPDATE stock_levels SET reserved = reserved + $1 "
                        "WHERE sku = $2 AND available >= $1"
                      : "SELECT available FROM stock_levels WHERE sku = $1",
                2500us, write ? -1 : 1})) {
      s.Fail(Fault::kUpstream, kShopDb.host);
    }
  });
}

void PlayBrowse(Scene& s, ShopState&) {
  s.ServeHttp(
      {kWebStorefront, "GET", "/products/{id}", EntityPath(s, "/products/")},
      [&] {
        WelcomeVisitor(s);
        if (s.rng().Chance(0.4)) VerifyToken(s);
        Scene::Fork fork(s);
        const bool good = s.Grpc(kCatalog, "GetProduct", [&] {
          LoadProduct(s);
          if (!QuotePrice(s)) s.Fail(Fault::kUpstream, "pricing");
          if (s.rng().Chance(0.6)) CheckStock(s, "GetStock");
        });
        fork.Next();
        s.Grpc(kRecommendations, "ListRecommendations", [&] {
          s.Redis("ZRANGE", "related:{product}");
          s.Internal("model.predict", [&] {
            s.Int("model.candidates", s.rng().Between(50, 400));
            s.Double("model.threshold", 0.35);
            s.Work(6ms, 0.5);
          });
        });
        fork.Join();
        if (!good) return s.Fail(Fault::kUpstream, "catalog");
        s.Internal("render_page", [&] {
          s.Text("page.template", "product");
          s.Work(4ms, 0.5);
        });
      });
}

void PlaySearch(Scene& s, ShopState&) {
  s.ServeHttp({kWebStorefront, "GET", "/search", "/search"}, [&] {
    WelcomeVisitor(s);
    const std::string_view words = kSearches[s.rng().Below(kSearches.size())];
    s.Text("url.query", s.sketch().Format("q={}", words));
    const bool good =
        s.Http({kSearch, "POST", "/v1/search", "/v1/search"}, [&] {
          s.Internal("parse_query", [&] {
            s.Text("search.query", words);
            s.Work(300us, 0.4);
          });
          if (!s.Sql({kProductIndex, "search", "products",
                      "{\"query\":{\"multi_match\":{\"query\":\"?\",\"fields\":"
                      "[\"title^3\",\"body\"]}},\"size\":24}",
                      14ms, 24})) {
            return s.Fail(Fault::kUpstream, kProductIndex.host);
          }
          s.Internal("rank", [&] {
            s.Int("search.hits", s.rng().Count(60, 1.0));
            s.Work(3ms, 0.5);
          });
        });
    if (!good) return s.Fail(Fault::kUpstream, "search");
    s.Grpc(kCatalog, "ListProducts", [&] {
      s.Redis("MGET", "product:{24 keys}");
      QuotePrice(s);
    });
    s.Internal("render_page", [&] {
      s.Text("page.template", "search");
      s.Work(5ms, 0.5);
    });
  });
}

void PlayAddToCart(Scene& s, ShopState&) {
  s.ServeHttp({kMobileGateway, "POST", "/m/v1/cart/items", "/m/v1/cart/items"},
              [&] {
                WelcomeVisitor(s);
                VerifyToken(s);
                const bool good = s.Grpc(kCart, "AddItem", [&] {
                  s.Redis("HGETALL", "cart:{session}");
                  const bool found =
                      s.Grpc(kCatalog, "GetProduct", [&] { LoadProduct(s); });
                  if (!found) return s.Fail(Fault::kUpstream, "catalog");
                  QuotePrice(s);
                  CheckStock(s, "GetStock");
                  s.Double("cart.total",
                           static_cast<double>(s.rng().Count(4900, 0.8)) / 100);
                  s.Redis("HSET", "cart:{session}");
                });
                if (!good) s.Fail(Fault::kUpstream, "cart");
              });
}

// One query for the orders and then one for each of them: the pattern that
// analysis calls N+1.
void PlayOrderHistory(Scene& s, ShopState&) {
  s.ServeHttp(
      {kWebStorefront, "GET", "/account/orders", "/account/orders"}, [&] {
        WelcomeVisitor(s);
        VerifyToken(s);
        const bool good = s.Grpc(kCheckout, "ListOrders", [&] {
          const int64_t orders = s.rng().Between(4, 32);
          s.Sql({kShopDb, "SELECT", "orders",
                 "SELECT id, status, placed_at FROM orders WHERE customer_id = "
                 "$1",
                 4ms, orders});
          for (int64_t i = 0; i < orders; ++i) {
            if (!s.Sql({kShopDb, "SELECT", "order_items",
                        "SELECT sku, quantity, price FROM order_items WHERE "
                        "order_id = $1",
                        1400us, s.rng().Between(1, 6)})) {
              return s.Fail(Fault::kUpstream, kShopDb.host);
            }
          }
        });
        if (!good) s.Fail(Fault::kUpstream, "checkout");
      });
}

// The payment provider is slow to answer now and then: up to three tries with
// a pause that doubles.
void ChargeCard(Scene& s) {
  s.Text("payment.method", s.rng().Chance(0.7) ? "card" : "wallet");
  for (int attempt = 0; attempt < 3; ++attempt) {
    int status = 200;
    if (s.rng().Chance(attempt == 0 ? 0.08 : 0.35)) {
      status = s.rng().Chance(0.5) ? 503 : 0;
    }
    if (s.ExternalHttp("POST", "api.paybridge.example", "/v2/charges", 140ms,
                       status, attempt)) {
      s.Sql({kShopDb, "INSERT", "payments",
             "INSERT INTO payments (id, order_id, amount, status) VALUES ($1, "
             "$2, $3, 'captured')",
             4ms});
      return;
    }
    if (attempt < 2) {
      s.Internal("retry.backoff", [&] {
        s.Int("retry.attempt", attempt + 1);
        s.Work(100ms * (1 << attempt), 0.1);
      });
    }
  }
  s.Fail(Fault::kUpstream, "api.paybridge.example");
}

void HandOver(Scene& s) {
  const uint32_t sent = s.Publish("orders.placed", s.rng().Count(900, 0.4));
  s.ConsumeLater(sent, kOrderWorker, "orders.placed", 25ms, [&] {
    s.Work(1ms, 0.5);
    s.Http({kShipping, "POST", "/shipments", "/shipments"}, [&] {
      s.Internal("tariff.compute", [&] { s.Work(2ms, 0.4); });
      s.Sql({kShopDb, "INSERT", "shipments",
             "INSERT INTO shipments (id, order_id, carrier) VALUES ($1, $2, "
             "$3)",
             3ms});
    });
    s.Grpc(kInvoices, "CreateInvoice", [&] {
      s.Sql({kInvoiceDb, "INSERT", "invoices",
             "INSERT INTO invoices (order_id, total, tax) VALUES (?, ?, ?)",
             3500us});
    });
  });
  s.ConsumeLater(sent, kNotifications, "orders.placed", 40ms, [&] {
    s.Internal("render_template", [&] {
      s.Text("template.name", "order-confirmation");
      s.Work(3ms, 0.4);
    });
    s.ExternalHttp("POST", "mail.example", "/v3/send", 60ms, 202, 0);
  });
}

void PlaceOrder(Scene& s) {
  if (!s.Grpc(kCart, "GetCart",
              [&] { s.Redis("HGETALL", "cart:{session}"); })) {
    return s.Fail(Fault::kUpstream, "cart");
  }
  const int64_t items = s.rng().Between(1, 3);
  for (int64_t i = 0; i < items; ++i) {
    if (!CheckStock(s, "Reserve")) return s.Fail(Fault::kUpstream, "inventory");
  }
  if (!s.Grpc(kPayments, "Charge", [&] { ChargeCard(s); })) {
    return s.Fail(Fault::kUpstream, "payments");
  }
  if (!s.Sql({kShopDb, "INSERT", "orders",
              "INSERT INTO orders (id, customer_id, total, status) VALUES "
              "($1, $2, $3, 'placed')",
              5ms})) {
    return s.Fail(Fault::kUpstream, kShopDb.host);
  }
  if (s.rng().Chance(0.004)) return s.Fail(Fault::kBadState, "");
  HandOver(s);
}

void PlayCheckout(Scene& s, ShopState&) {
  s.ServeHttp({kWebStorefront, "POST", "/checkout", "/checkout"}, [&] {
    WelcomeVisitor(s);
    VerifyToken(s);
    if (!s.Grpc(kCheckout, "PlaceOrder", [&] { PlaceOrder(s); })) {
      s.Fail(Fault::kUpstream, "checkout");
    }
  });
}

void PlayReaper(Scene& s, ShopState&) {
  s.ServeTimer(kSessionService, "session.reap", [&] {
    s.Int("session.expired", s.rng().Count(120, 0.8));
    s.Sql({kShopDb, "DELETE", "sessions",
           "DELETE FROM sessions WHERE expires_at < now()", 30ms});
  });
}

constexpr std::array<Scenario, 6> kScenarios{{
    {"product page", 210, PlayBrowse},
    {"product search", 130, PlaySearch},
    {"add to cart", 70, PlayAddToCart},
    {"order history", 60, PlayOrderHistory},
    {"checkout", 70, PlayCheckout},
    {"session reaper", 12, PlayReaper},
}};

}  // namespace

std::string_view EntityPath(Scene& s, std::string_view prefix,
                            std::string_view suffix) {
  return s.sketch().Format("{}{}{}", prefix, s.rng().Between(1000, 999'999),
                           suffix);
}

void WelcomeVisitor(Scene& s) {
  Rng& rng = s.rng();
  s.Text("client.address",
         s.sketch().Format("203.0.113.{}", rng.Between(1, 254)));
  s.Text("user_agent.original", kUserAgents[rng.Below(kUserAgents.size())]);
  s.Text("session.id", s.sketch().Format("{:016x}", rng.Next()));
  s.Text("user.id", s.sketch().Format("u-{:06}", rng.Below(40'000)));
  s.Internal("middleware.session", [&] { s.Redis("GET", "session:{cookie}"); });
}

bool VerifyToken(Scene& s) {
  return s.Grpc(kIdentity, "VerifyToken", [&] {
    s.Internal("jwt.verify", [&] {
      s.Text("jwt.algorithm", "EdDSA");
      s.Work(350us, 0.4);
    });
    if (s.rng().Chance(0.3)) s.Redis("GET", "revoked:{token}");
  });
}

std::span<const Scenario> ShopScenarios() { return kScenarios; }

}  // namespace khtrace::demo
