// SPDX-License-Identifier: Apache-2.0
#include "query/reference/testing_file.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "query/reference/testing_store.h"

namespace khtrace::query::reference {
namespace {

bool TakePrefix(std::string_view prefix, std::string_view* line) {
  if (line->substr(0, prefix.size()) != prefix) return false;
  line->remove_prefix(prefix.size());
  return true;
}

Result<uint64_t> Time(LineReader* line) {
  ASSIGN_OR_RETURN(const auto time, ParseGoDuration(line->Word()));
  return static_cast<uint64_t>(time.count());
}

size_t Number(LineReader* line) {
  return std::strtoull(std::string(line->Word()).c_str(), nullptr, 10);
}

Status TakeOption(std::string_view text, SemanticsCase* c) {
  LineReader line(text);
  const std::string_view word = line.Word();
  if (word == "limit") {
    c->search.limit = Number(&line);
  } else if (word == "spss") {
    c->search.spans_per_spanset = Number(&line);
  } else if (word == "window") {
    ASSIGN_OR_RETURN(c->search.start.ns, Time(&line));
    ASSIGN_OR_RETURN(c->search.end.ns, Time(&line));
  } else if (word == "range" || word == "instant") {
    ASSIGN_OR_RETURN(c->metrics.start.ns, Time(&line));
    ASSIGN_OR_RETURN(c->metrics.end.ns, Time(&line));
    c->metrics.instant = word == "instant";
    c->metrics.step_nanos = 0;
    if (!line.AtEnd()) {
      ASSIGN_OR_RETURN(c->metrics.step_nanos, Time(&line));
    }
  } else if (word == "exemplars") {
    c->metrics.max_exemplars = Number(&line);
    c->show_exemplars = true;
  } else if (word == "series") {
    c->metrics.max_series = Number(&line);
  } else if (word == "values") {
    c->show_values = true;
  } else if (word == "traces") {
    c->show_traces = true;
  } else if (word == "times") {
    c->show_times = true;
  } else {
    return Error{Code::kInvalidArgument,
                 "unknown option: " + std::string(text)};
  }
  return {};
}

class FileReader {
 public:
  explicit FileReader(const std::string& path)
      : in_(path), name_(std::filesystem::path(path).filename().string()) {}

  Result<std::vector<SemanticsCase>> Read() {
    if (!in_) return Error{Code::kNotFound, "cannot open " + name_};
    std::string text;
    for (int number = 1; std::getline(in_, text); ++number) {
      where_ = fmt::format("{}:{}", name_, number);
      Status status = TakeLine(text);
      if (!status) return std::move(status).error().With(where_);
    }
    return std::move(cases_);
  }

 private:
  Status TakeLine(std::string_view line) {
    const size_t indent = line.find_first_not_of(' ');
    if (indent == std::string_view::npos || line[indent] == '#') return {};
    if (TakePrefix("? ", &line)) return Begin(line);
    if (cases_.empty() || in_store_) {
      ASSIGN_OR_RETURN(const bool taken, store_reader_.Take(line));
      if (taken) return {};
    } else if (TakePrefix("= ", &line)) {
      cases_.back().expected.emplace_back(line);
      return {};
    } else if (TakePrefix("! ", &line)) {
      cases_.back().error = line;
      return {};
    } else if (TakePrefix("> ", &line)) {
      return TakeOption(line, &cases_.back());
    } else if (TakePrefix("    ", &line)) {
      cases_.back().query += "\n" + std::string(line);
      return {};
    }
    // Options before the first case are those of all cases of the store.
    if (TakePrefix("> ", &line)) return TakeOption(line, &defaults_);
    if (line != "store") {
      return Error{Code::kInvalidArgument,
                   "cannot understand: " + std::string(line)};
    }
    in_store_ = true;
    defaults_ = {};
    defaults_.search.spans_per_spanset = 0;
    defaults_.metrics.max_exemplars = 0;
    return {};
  }

  Status Begin(std::string_view query) {
    if (in_store_) {
      auto store = std::make_shared<SemanticsStore>();
      store->traces = store_reader_.Build();
      store_ = std::move(store);
      in_store_ = false;
    }
    if (store_ == nullptr) {
      return Error{Code::kInvalidArgument, "there is no store before it"};
    }
    SemanticsCase& c = cases_.emplace_back(defaults_);
    c.where = where_;
    c.query = query;
    c.store = store_;
    return {};
  }

  std::ifstream in_;
  std::string name_;
  std::string where_;
  bool in_store_ = false;
  StoreReader store_reader_;
  std::shared_ptr<const SemanticsStore> store_;
  SemanticsCase defaults_;
  std::vector<SemanticsCase> cases_;
};

}  // namespace

Result<std::vector<SemanticsCase>> ReadSemantics(const std::string& path) {
  return FileReader(path).Read();
}

}  // namespace khtrace::query::reference
