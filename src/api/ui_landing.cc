// SPDX-License-Identifier: Apache-2.0
#include "api/ui_landing.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "api/query_handler.h"
#include "base/percent.h"

namespace khtrace::api {
namespace {

constexpr std::string_view kHead = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>khtrace</title>
<style>
:root { color-scheme: light dark; --bg: #f6f7f9; --card: #fff; --ink: #1b1f26;
  --soft: #5c6675; --line: #dfe3e8; --accent: #0b62c4; --code: #eef1f5; }
@media (prefers-color-scheme: dark) { :root { --bg: #12151a; --card: #1a1f27;
  --ink: #e4e8ee; --soft: #97a3b3; --line: #2b323d; --accent: #6db1ff;
  --code: #11151b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 52rem; margin: 0 auto; padding: 3rem 1.25rem; }
h1 { font-size: 1.7rem; margin: 0; letter-spacing: -.02em; }
h2 { font-size: 1rem; margin: 0 0 .75rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; padding: 1.1rem 1.25rem; margin-top: 1.25rem; }
ul { list-style: none; margin: 0; padding: 0; }
li { padding: .35rem 0; border-top: 1px solid var(--line);
  overflow-wrap: anywhere; } li:first-child { border-top: 0; }
table { width: 100%; border-collapse: collapse; }
td { padding: .35rem 1rem .35rem 0; border-top: 1px solid var(--line);
  overflow-wrap: anywhere; } tr:first-child td { border-top: 0; }
a { color: var(--accent); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
pre { background: var(--code); border-radius: 8px; padding: .8rem 1rem;
  margin: .6rem 0; overflow-x: auto; font-size: .85rem; }
code, td + td { font-family: ui-monospace, monospace; font-size: .88em; }
</style>
</head>
<body><main>
)html";

constexpr std::string_view kFirstTrace = R"html(<section>
<h2>No traces yet</h2>
<p>Point the OpenTelemetry exporter of a service here and call the service:</p>
<pre>export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf</pre>
<p>Or send simulated traffic:</p>
<pre>khtrace demo --rate 10</pre>
<p class="soft">A trace is here a moment after it was sent; reload to see it.
<code>khtrace doctor</code> says where spans stop if it is not.</p>
</section>
)html";

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string ServiceSection(const std::vector<std::string>& services) {
  if (services.empty()) return std::string(kFirstTrace);
  std::string out = "<section>\n<h2>Services</h2>\n<ul>\n";
  for (const std::string& service : services) {
    out += fmt::format(
        "<li><a href=\"api/traces?service={}&amp;limit=20&amp;"
        "prettyPrint=true\">{}</a></li>\n",
        PercentEncode(service), EscapeHtml(service));
  }
  return out +
         "</ul>\n<p class=\"soft\">Each opens its 20 newest traces of "
         "the last two days as JSON. In a terminal: "
         "<code>khtrace trace ID</code></p>\n</section>\n";
}

std::string EndpointSection(const std::vector<LandingEndpoint>& endpoints) {
  std::string out = "<section>\n<h2>Endpoints</h2>\n<table>\n";
  for (const auto& [what, address] : endpoints) {
    const std::string text = EscapeHtml(address);
    const bool link =
        address.starts_with("http://") || address.starts_with("https://");
    out += fmt::format(
        "<tr><td>{}</td><td>{}</td></tr>\n", EscapeHtml(what),
        link ? fmt::format("<a href=\"{}\">{}</a>", text, text) : text);
  }
  return out + "</table>\n</section>\n";
}

std::string Page(const BuildInfo& build,
                 const std::vector<std::string>& services,
                 const std::vector<LandingEndpoint>& endpoints) {
  std::string page(kHead);
  page += fmt::format(
      "<h1>khtrace</h1>\n<p class=\"soft\">Version {}. A web UI of its own "
      "comes with a later version. Until then a Jaeger UI or Grafana's Jaeger "
      "data source shows what is here, and so does the JSON below. "
      "<a href=\"api/tracing/overview\">What is slow</a>, "
      "<a href=\"api/tracing/openapi.json\">the API that tells it</a>, "
      "<a href=\"api/tracing/health\">health</a></p>\n",
      EscapeHtml(build.version));
  page += ServiceSection(services);
  if (!endpoints.empty()) page += EndpointSection(endpoints);
  return page + "</main></body>\n</html>\n";
}

}  // namespace

void RegisterUiLanding(net::HttpRouter& router, const ApiContext& api,
                       std::vector<LandingEndpoint> endpoints) {
  const auto show = [&api, endpoints = std::move(endpoints)](
                        const RequestContext& context,
                        const net::HttpRequest&) -> Result<net::HttpResponse> {
    ASSIGN_OR_RETURN(const auto services, api.reader.Services(context));
    return net::HttpResponse{
        .status = 200,
        .headers = {{"Content-Security-Policy",
                     "default-src 'none'; style-src 'unsafe-inline'"},
                    {"Cache-Control", "no-store"}},
        .content_type = "text/html; charset=utf-8",
        .body = Page(api.build, services, endpoints)};
  };
  router.Add("GET", "/", QueryHandler(api, PlainTextError, show));
}

}  // namespace khtrace::api
