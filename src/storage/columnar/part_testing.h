// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fs.h"
#include "storage/columnar/part.h"
#include "storage/columnar/part_frame.h"
#include "storage/testing.h"

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

// The traces that the part's frames have; none of a frame that is corrupt.
inline std::set<model::TraceId> TracesInFramesForTesting(const Part& part) {
  std::set<model::TraceId> found;
  const auto frames = part.OpenFrames(std::make_shared<const FrameRequest>());
  if (!frames) return found;
  for (size_t g = 0; g < (*frames)->footer().groups.size(); ++g) {
    const auto frame = (*frames)->Open(g, {});
    const auto ids = TraceIdsOfForTesting(*frame);
    if (ids) found.insert(ids->begin(), ids->end());
  }
  return found;
}

// What a frame can be asked about `columns` columns.
inline void AskFrameForTesting(TraceFrame& frame, size_t columns,
                               std::vector<Status>* answers) {
  const auto note = [answers](const auto& answer) {
    answers->push_back(answer ? Status() : Status(answer.error()));
    return answer.has_value();
  };
  note(frame.TraceIds());
  note(frame.Parents());
  note(frame.EventEnds());
  note(frame.LinkEnds());
  for (size_t i = 0; i < columns; ++i) {
    for (const std::string_view text : {"checkout", "no", "GET"}) {
      note(frame.MayHaveText(i, text));
      note(frame.RowsWithText(i, text));
    }
    note(frame.MayHaveInt(i, 1, 5));
    note(frame.Column(i));
    frame.Forget(i);
  }
  const auto traces = frame.Traces();
  if (!note(traces) || frame.trace_count() == 0) return;
  const uint32_t some[] = {frame.trace_count() / 2};
  const auto narrow = frame.Narrow(some);
  if (!note(narrow) || *narrow == nullptr) return;
  for (size_t i = 0; i < columns; ++i) note((*narrow)->Column(i));
}

// Every field, with keys that random batches have.
inline FrameRequest EveryColumnForTesting() {
  FrameRequest request;
  for (int field = 0; field <= static_cast<int>(FrameField::kLinkAttribute);
       ++field) {
    for (const char* key : {"user.id", "url.path", "net.bytes", "payload"}) {
      request.columns.push_back({static_cast<FrameField>(field), key});
    }
  }
  return request;
}

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
  const auto request =
      std::make_shared<const FrameRequest>(EveryColumnForTesting());
  const auto frames = part.OpenFrames(request);
  answers.push_back(frames ? Status() : Status(frames.error()));
  for (size_t g = 0; frames && g < (*frames)->footer().groups.size(); ++g) {
    AskFrameForTesting(*(*frames)->Open(g, {}), request->columns.size(),
                       &answers);
  }
  for (const model::TraceId& id : TracesInFramesForTesting(part)) {
    const auto trace = part.GetTrace({}, id);
    answers.push_back(trace ? Status() : Status(trace.error()));
    const auto computed = part.GetComputed({}, id);
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
