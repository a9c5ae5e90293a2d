// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/fs.h"
#include "storage/columnar/part.h"

namespace khtrace::storage::columnar {

// Files in memory, as much of Fs as parts need. Confined to one thread.
class BytesFsForTesting : public Fs {
 public:
  std::map<std::string, std::string> files;

  Result<std::unique_ptr<WritableFile>> Create(
      const std::string& path) override {
    files[path].clear();
    return std::unique_ptr<WritableFile>(new Writer(files[path]));
  }
  Result<std::shared_ptr<const MappedFile>> Map(
      const std::string& path) override {
    const auto it = files.find(path);
    if (it == files.end()) return Error{Code::kNotFound, path};
    return std::shared_ptr<const MappedFile>(new Mapped(it->second));
  }
  Result<std::vector<std::string>> List(const std::string&) override {
    return std::vector<std::string>();
  }
  Result<uint64_t> FileSize(const std::string& path) override {
    return uint64_t{files[path].size()};
  }
  bool Exists(const std::string& path) override { return files.contains(path); }
  Status MakeDirs(const std::string&) override { return {}; }
  Status Rename(const std::string& from, const std::string& to) override {
    files[to] = std::move(files[from]);
    files.erase(from);
    return {};
  }
  Status Remove(const std::string& path) override {
    files.erase(path);
    return {};
  }
  Status Link(const std::string&, const std::string&) override { return {}; }
  Status SyncDir(const std::string&) override { return {}; }
  Result<FsSpace> Space(const std::string&) override { return FsSpace{}; }
  Result<std::unique_ptr<FileLock>> Lock(const std::string&) override {
    return std::unique_ptr<FileLock>();
  }

 private:
  class Writer : public WritableFile {
   public:
    explicit Writer(std::string& content) : content_(content) {}
    Status Append(std::span<const std::byte> bytes) override {
      content_.append(reinterpret_cast<const char*>(bytes.data()),
                      bytes.size());
      return {};
    }
    Status Sync() override { return {}; }
    Status Close() override { return {}; }

   private:
    std::string& content_;
  };
  class Mapped : public MappedFile {
   public:
    explicit Mapped(std::string content) : content_(std::move(content)) {}
    std::span<const std::byte> bytes() const override {
      return std::as_bytes(std::span(content_.data(), content_.size()));
    }

   private:
    const std::string content_;
  };
};

// Calls everything that a part can be asked. The first error, if any.
inline Status AskEverythingForTesting(const Part& part) {
  std::vector<Status> answers;
  answers.push_back(part.Verify());
  (void)part.Columns();
  const auto aggregates = part.ReadAggregates({});
  answers.push_back(aggregates ? Status() : Status(aggregates.error()));
  std::set<std::string> services;
  answers.push_back(part.CollectServices(&services));
  std::set<Operation> operations;
  for (const std::string& service : services) {
    answers.push_back(part.CollectOperations(service, &operations));
  }
  std::vector<TraceMatch> matches;
  ScanStats stats;
  const std::vector<Condition> conditions = {
      {Field::kService, Compare::kNotEqual, "", "cart"},
      {Field::kName, Compare::kNotEqual, "", "redis"},
      {Field::kDuration, Compare::kGreater, "", "", 0, 5},
      {Field::kAttribute, Compare::kNotEqual, "user.id", "no"},
      {Field::kAttribute, Compare::kEqual, "url.path", "checkout"},
      {Field::kAttribute, Compare::kGreater, "net.bytes", "", 1.0},
      {Field::kAttribute, Compare::kExists, "payload"},
  };
  ScanRequest everything;
  everything.start = {5};
  answers.push_back(part.FindTraces({}, everything, &matches, &stats));
  const std::vector<TraceMatch> all = matches;
  for (const Condition& condition : conditions) {
    ScanRequest request;
    request.conditions = {condition};
    answers.push_back(part.FindTraces({}, request, &matches, &stats));
  }
  for (const TraceMatch& match : all) {
    const auto trace = part.GetTrace({}, match.trace_id);
    answers.push_back(trace ? Status() : Status(trace.error()));
    const auto computed = part.GetComputed({}, match.trace_id);
    answers.push_back(computed ? Status() : Status(computed.error()));
  }
  const auto missing = part.GetTrace({}, {1, 2});
  if (!missing) answers.push_back(missing.error());
  for (Status& answer : answers) {
    if (!answer) return std::move(answer).error();
  }
  return {};
}

}  // namespace khtrace::storage::columnar
