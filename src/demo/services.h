// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

// The shop: who is in it. Data only.

namespace khtrace::demo {

enum class ServiceId : uint8_t {
  kWebStorefront,
  kMobileGateway,
  kKnowledgehubApi,
  kSessionService,
  kIdentity,
  kCatalog,
  kPricing,
  kSearch,
  kCart,
  kCheckout,
  kPayments,
  kInventory,
  kShipping,
  kRecommendations,
  kArticles,
  kEmbeddingService,
  kAssistant,
  kNotifications,
  kInvoices,
  kOrderWorker,
  kSearchIndexer,
};
inline constexpr size_t kServiceCount = 21;

enum class Language : uint8_t { kGo, kJava, kNode, kPython, kDotnet, kRust };

struct ServiceSpec {
  std::string_view name;
  Language language;
  uint8_t pods;
  std::string_view version;
  std::string_view next_version;  // after the deployment; "" = never changes
  std::string_view rpc_service;   // "" when it speaks HTTP
};

const ServiceSpec& Spec(ServiceId service);

// Values of telemetry.sdk.language and telemetry.sdk.version.
std::string_view SdkLanguage(Language language);
std::string_view SdkVersion(Language language);

// Instrumentation scopes. kApp is the service's own tracer.
enum class ScopeId : uint8_t {
  kHttpServer,
  kHttpClient,
  kRpc,
  kDatabase,
  kMessaging,
  kGenAi,
  kApp,
};
inline constexpr size_t kScopeCount = 7;

struct ScopeSpec {
  std::string_view name;
  std::string_view version;
};
const ScopeSpec& Spec(ScopeId scope);

struct Database {
  std::string_view system;  // db.system.name
  std::string_view name;    // db.namespace
  std::string_view host;
  uint16_t port;
  std::string_view address;
};
inline constexpr Database kShopDb{"postgresql", "shop", "pg-shop.db.svc", 5432,
                                  "10.4.0.11"};
inline constexpr Database kMemoryDb{"postgresql", "memory", "pg-memory.db.svc",
                                    5432, "10.4.0.12"};
inline constexpr Database kInvoiceDb{"mysql", "invoices", "mysql-1.db.svc",
                                     3306, "10.4.0.13"};
inline constexpr Database kProductIndex{
    "elasticsearch", "products", "es-products.db.svc", 9200, "10.4.0.14"};
inline constexpr Database kCache{"redis", "0", "redis-cache.db.svc", 6379,
                                 "10.4.0.15"};

}  // namespace khtrace::demo
