// SPDX-License-Identifier: Apache-2.0
#include "net/http.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace khtrace::net {
namespace {

char LowerAscii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return LowerAscii(x) == LowerAscii(y);
  });
}

}  // namespace

void HttpHeaders::Add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void HttpHeaders::Set(std::string name, std::string value) {
  std::erase_if(fields_, [&name](const Field& field) {
    return EqualIgnoringCase(field.first, name);
  });
  Add(std::move(name), std::move(value));
}

bool HttpHeaders::Has(std::string_view name) const {
  return std::ranges::any_of(fields_, [name](const Field& field) {
    return EqualIgnoringCase(field.first, name);
  });
}

std::string_view HttpHeaders::Get(std::string_view name) const {
  for (const auto& [field_name, value] : fields_) {
    if (EqualIgnoringCase(field_name, name)) return value;
  }
  return {};
}

std::string HttpHeaders::Joined(std::string_view name) const {
  std::string joined;
  for (const auto& [field_name, value] : fields_) {
    if (!EqualIgnoringCase(field_name, name)) continue;
    if (!joined.empty()) joined += ", ";
    joined += value;
  }
  return joined;
}

QueryParams QueryParams::Parse(std::string_view query) {
  QueryParams out;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    const bool has_value = equals != std::string_view::npos;
    out.params_.push_back(
        {PercentDecode(pair.substr(0, equals), true),
         has_value ? PercentDecode(pair.substr(equals + 1), true) : "",
         has_value});
  }
  return out;
}

const QueryParams::Param* QueryParams::Find(std::string_view key) const {
  const auto it = std::ranges::find(params_, key, &Param::key);
  return it == params_.end() ? nullptr : &*it;
}

std::optional<std::string_view> QueryParams::Get(std::string_view key) const {
  const Param* param = Find(key);
  if (param == nullptr) return std::nullopt;
  return param->value;
}

std::vector<std::string_view> QueryParams::GetAll(std::string_view key) const {
  std::vector<std::string_view> values;
  for (const Param& param : params_) {
    if (param.key == key) values.push_back(param.value);
  }
  return values;
}

std::string_view HttpRequest::PathParam(std::string_view name) const {
  for (const auto& [param, value] : path_params) {
    if (param == name) return value;
  }
  return {};
}

std::string_view HttpRequest::raw_path() const {
  std::string_view rest = target;
  // Absolute form, as sent to proxies: "http://host/path" (RFC 9112, 3.2.2).
  if (const size_t scheme = rest.find("://");
      scheme != std::string_view::npos && scheme < rest.find_first_of("/?")) {
    rest.remove_prefix(scheme + 3);
    rest.remove_prefix(std::min(rest.find_first_of("/?"), rest.size()));
  }
  rest = rest.substr(0, rest.find('?'));
  return rest.empty() ? "/" : rest;
}

std::string HttpRequest::MediaType() const {
  std::string_view type = headers.Get("content-type");
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.front() == ' ') type.remove_prefix(1);
  while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
  std::string lower(type);
  std::ranges::transform(lower, lower.begin(), LowerAscii);
  return lower;
}

HttpResponse TextResponse(int status, std::string_view text) {
  return {.status = status,
          .headers = {{"X-Content-Type-Options", "nosniff"}},
          .content_type = "text/plain; charset=utf-8",
          .body = fmt::format("{}\n", text)};
}

HttpResponse JsonResponse(int status, std::string json) {
  return {.status = status,
          .content_type = "application/json",
          .body = std::move(json)};
}

std::string HttpReason(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return fmt::format("Status {}", status);
  }
}

}  // namespace khtrace::net
