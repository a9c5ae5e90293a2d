// SPDX-License-Identifier: Apache-2.0
#pragma once

// Helpers of this folder's tests: a socket that says exactly what the test
// wants, and certificates made on the spot.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace khtrace::net {

// A blocking TCP connection to 127.0.0.1. Reads give up after ten seconds.
class SocketForTesting {
 public:
  explicit SocketForTesting(uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(
        ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
        0);
  }
  ~SocketForTesting() { ::close(fd_); }
  SocketForTesting(const SocketForTesting&) = delete;
  SocketForTesting& operator=(const SocketForTesting&) = delete;

  int fd() const { return fd_; }

  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent =
          ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void FinishSending() { ::shutdown(fd_, SHUT_WR); }

  // Everything up to and including `mark`, which must come; less at the end
  // of the stream.
  std::string ReadUntil(std::string_view mark) {
    size_t found;
    while ((found = buffer_.find(mark)) == std::string::npos && ReadMore()) {
    }
    const size_t end =
        found == std::string::npos ? buffer_.size() : found + mark.size();
    std::string out = buffer_.substr(0, end);
    buffer_.erase(0, end);
    return out;
  }
  std::string ReadToEnd() {
    while (ReadMore()) {
    }
    return std::exchange(buffer_, {});
  }
  // True when the server closed without another byte.
  bool AtEnd() { return buffer_.empty() && !ReadMore() && buffer_.empty(); }

 private:
  bool ReadMore() {
    pollfd wait{fd_, POLLIN, 0};
    const int ready = ::poll(&wait, 1, 10'000);
    EXPECT_EQ(ready, 1) << "the server sent nothing for ten seconds";
    if (ready != 1) return false;
    char bytes[4096];
    const ssize_t got = ::recv(fd_, bytes, sizeof(bytes), 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(got));
    return true;
  }

  int fd_ = -1;
  std::string buffer_;
};

// A directory with ca.pem and, signed by it, server.pem (127.0.0.1,
// localhost), client.pem and their .key files; removed at the end.
class CertificatesForTesting {
 public:
  CertificatesForTesting() {
    std::string path =
        (std::filesystem::temp_directory_path() / "khtrace-net-XXXXXX");
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    directory_ = path;
    const Key ca_key = MakeKey();
    const Certificate ca = Make("ca", ca_key.get(), nullptr, ca_key.get());
    for (const char* name : {"server", "client"}) {
      const Key key = MakeKey();
      Make(name, key.get(), ca.get(), ca_key.get());
    }
  }
  ~CertificatesForTesting() { std::filesystem::remove_all(directory_); }
  CertificatesForTesting(const CertificatesForTesting&) = delete;
  CertificatesForTesting& operator=(const CertificatesForTesting&) = delete;

  std::string Path(std::string_view file) const {
    return (directory_ / file).string();
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

  static Key MakeKey() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

  static void Extend(X509* certificate, int nid, const char* value) {
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }

  Certificate Make(const std::string& name, EVP_PKEY* key, X509* issuer,
                   EVP_PKEY* issuer_key) {
    Certificate made(X509_new(), X509_free);
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 86400);
    X509_set_pubkey(made.get(), key);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
        reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509* signer = issuer == nullptr ? made.get() : issuer;
    X509_set_issuer_name(made.get(), X509_get_subject_name(signer));
    Extend(made.get(), NID_basic_constraints,
           issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
    Extend(made.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    EXPECT_GT(X509_sign(made.get(), issuer_key, EVP_sha256()), 0);
    Save(name + ".pem", [&](FILE* f) { PEM_write_X509(f, made.get()); });
    Save(name + ".key", [&](FILE* f) {
      PEM_write_PrivateKey(f, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
    return made;
  }

  template <typename Write>
  void Save(const std::string& file, Write write) {
    FILE* out = std::fopen(Path(file).c_str(), "w");
    ASSERT_NE(out, nullptr);
    write(out);
    std::fclose(out);
  }

  std::filesystem::path directory_;
  long serial_ = 0;
};

}  // namespace khtrace::net
