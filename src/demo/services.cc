// SPDX-License-Identifier: Apache-2.0
#include "demo/services.h"

namespace khtrace::demo {
namespace {

using enum Language;

constexpr std::array<ServiceSpec, kServiceCount> kServices{{
    {"web-storefront", kNode, 4, "8.21.3", "", ""},
    {"mobile-gateway", kNode, 3, "4.7.0", "", ""},
    {"knowledgehub-api", kPython, 4, "2.14.2", "2.15.0", ""},
    {"session-service", kGo, 3, "1.30.1", "", ""},
    {"identity", kGo, 3, "2.2.9", "", "shop.identity.v1.IdentityService"},
    {"catalog", kJava, 4, "6.3.0", "", "shop.catalog.v1.CatalogService"},
    {"pricing", kJava, 2, "3.11.4", "", "shop.pricing.v1.PricingService"},
    {"search", kPython, 3, "5.0.6", "", ""},
    {"cart", kDotnet, 3, "1.18.0", "", "shop.cart.v1.CartService"},
    {"checkout", kGo, 3, "7.4.1", "", "shop.checkout.v1.CheckoutService"},
    {"payments", kJava, 2, "9.0.2", "", "shop.payments.v1.PaymentService"},
    {"inventory", kJava, 3, "2.25.7", "", "shop.inventory.v1.InventoryService"},
    {"shipping", kRust, 2, "0.19.0", "", ""},
    {"recommendations", kPython, 3, "1.6.5", "",
     "shop.recommendations.v1.RecommendationService"},
    {"articles", kPython, 2, "3.1.0", "", ""},
    {"embedding-service", kPython, 2, "0.8.4", "", ""},
    {"assistant", kPython, 3, "0.23.1", "", ""},
    {"notifications", kNode, 2, "2.0.13", "", ""},
    {"invoices", kJava, 2, "4.4.0", "", "shop.invoices.v1.InvoiceService"},
    {"order-worker", kGo, 2, "1.9.0", "", ""},
    {"search-indexer", kRust, 2, "0.6.2", "", ""},
}};

constexpr std::array<ScopeSpec, kScopeCount> kScopes{{
    {"shop.instrumentation.http.server", "1.4.0"},
    {"shop.instrumentation.http.client", "1.4.0"},
    {"shop.instrumentation.grpc", "1.2.3"},
    {"shop.instrumentation.db", "1.4.0"},
    {"shop.instrumentation.kafka", "0.9.2"},
    {"shop.instrumentation.genai", "0.5.0"},
    {"shop.app", ""},
}};

constexpr std::array<std::string_view, 6> kSdkLanguages{
    "go", "java", "nodejs", "python", "dotnet", "rust"};
constexpr std::array<std::string_view, 6> kSdkVersions{
    "1.38.0", "1.55.0", "2.2.0", "1.39.1", "1.13.1", "0.31.0"};

}  // namespace

const ServiceSpec& Spec(ServiceId service) {
  return kServices[static_cast<size_t>(service)];
}
const ScopeSpec& Spec(ScopeId scope) {
  return kScopes[static_cast<size_t>(scope)];
}
std::string_view SdkLanguage(Language language) {
  return kSdkLanguages[static_cast<size_t>(language)];
}
std::string_view SdkVersion(Language language) {
  return kSdkVersions[static_cast<size_t>(language)];
}

}  // namespace khtrace::demo
