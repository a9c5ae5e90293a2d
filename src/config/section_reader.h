// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "config/config_node.h"

namespace khtrace::config {

// One key that the program knows: the rows of docs/config.md.
struct KeyDoc {
  std::string path;  // "storage.wal.sync"
  std::string type;  // "duration", …
  std::string default_value;
  std::string help;
};

// What reading a configuration gave beside the options: every problem, not
// only the first. Confined to one thread.
struct ReadReport {
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
  std::vector<KeyDoc> docs;
};

// Reads the keys of one section into option fields. A key that is absent or
// null leaves its field as it is, which is the default. Finish() turns every
// key that nobody asked for into an error. Borrows all it is given.
class SectionReader {
 public:
  // `node` may be nullptr: the section is absent.
  SectionReader(const ConfigNode* node, std::string path, ReadReport* report);

  bool present() const { return node_ != nullptr; }
  const ConfigNode* node() const { return node_; }
  const std::string& path() const { return path_; }

  // A child section. Its own Finish() must be called.
  SectionReader Section(std::string_view key);
  // The sections of a list, as `rules`. Behind them comes an absent one, which
  // documents the keys. Finish() of each must be called.
  std::vector<SectionReader> List(std::string_view key);
  // A child that is read by other means; only marks it as known.
  const ConfigNode* Raw(std::string_view key);

  void String(std::string_view key, std::string* field, std::string_view help);
  void Secrets(std::string_view key, std::vector<Secret>* field,
               std::string_view help);
  void Bool(std::string_view key, bool* field, std::string_view help);
  void Int(std::string_view key, int64_t min, int64_t max, int64_t* field,
           std::string_view help);
  // A number from 0 to 1.
  void Fraction(std::string_view key, double* field, std::string_view help);
  void Bytes(std::string_view key, uint64_t min, uint64_t* field,
             std::string_view help);  // "64MiB"
  void Duration(std::string_view key, std::chrono::nanoseconds min,
                std::chrono::nanoseconds* field, std::string_view help);
  void Strings(std::string_view key, std::vector<std::string>* field,
               std::string_view help);
  // A map of names to texts, in the order of the document.
  void Texts(std::string_view key,
             std::vector<std::pair<std::string, std::string>>* field,
             std::string_view help);
  // `field` becomes the index of the choice.
  void Choice(std::string_view key,
              std::initializer_list<std::string_view> choices, int* field,
              std::string_view help);
  // "host:port"; ":port" keeps the host.
  void Endpoint(std::string_view key, std::string* host, uint16_t* port,
                std::string_view help);

  void Finish();
  void Fail(const ConfigNode& at, std::string_view key, std::string_view what);

 private:
  // The key's node, or nullptr when absent or null; notes the documentation.
  const ConfigNode* Take(std::string_view key, std::string_view type,
                         std::string default_value, std::string_view help);
  const std::string* TakeScalar(std::string_view key, std::string_view type,
                                std::string default_value,
                                std::string_view help);

  const ConfigNode* node_;
  std::string path_;
  ReadReport* report_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace khtrace::config
