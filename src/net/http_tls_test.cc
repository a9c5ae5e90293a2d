// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <string>

#include "net/http_server.h"
#include "net/net_testing.h"

namespace khtrace::net {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class HttpTlsTest : public ::testing::Test {
 protected:
  TlsOptions ServerTls() const {
    TlsOptions tls;
    tls.cert_file = certificates_.Path("server.pem");
    tls.key_file = certificates_.Path("server.key");
    return tls;
  }

  Status Start(const TlsOptions& tls) {
    HttpServerOptions options;
    options.tls = tls;
    ASSIGN_OR_RETURN(
        server_, HttpServer::Start(
                     options,
                     [](const HttpRequest& request, const HttpRespond& reply) {
                       reply({.body = request.tls ? "secure" : "plain"});
                     },
                     runtime_));
    return {};
  }

  // The answer to a GET; "" when the handshake, or the first read after it,
  // fails. `client` names the certificate to show.
  std::string Get(const std::string& client, int max_version = TLS1_3_VERSION) {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, max_version);
    SSL_CTX_load_verify_file(context, certificates_.Path("ca.pem").c_str());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    if (!client.empty()) {
      SSL_CTX_use_certificate_file(context,
                                   certificates_.Path(client + ".pem").c_str(),
                                   SSL_FILETYPE_PEM);
      SSL_CTX_use_PrivateKey_file(context,
                                  certificates_.Path(client + ".key").c_str(),
                                  SSL_FILETYPE_PEM);
    }
    SocketForTesting socket(server_->port());
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, socket.fd());
    std::string answer;
    if (SSL_connect(ssl) == 1) {
      constexpr std::string_view kRequest =
          "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
      SSL_write(ssl, kRequest.data(), static_cast<int>(kRequest.size()));
      char bytes[1024];
      int got;
      while ((got = SSL_read(ssl, bytes, sizeof(bytes))) > 0) {
        answer.append(bytes, static_cast<size_t>(got));
      }
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
    return answer;
  }

  CertificatesForTesting certificates_;
  IoRuntime runtime_{2};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpTlsTest, ServesOverTls) {
  ASSERT_TRUE(Start(ServerTls()));
  EXPECT_THAT(Get(""), EndsWith("secure"));
  EXPECT_THAT(Get("", TLS1_2_VERSION), EndsWith("secure"));
}

TEST_F(HttpTlsTest, RefusesOlderVersionsThanItsMinimum) {
  TlsOptions tls = ServerTls();
  tls.min_version = "1.3";
  ASSERT_TRUE(Start(tls));
  EXPECT_THAT(Get(""), EndsWith("secure"));
  EXPECT_EQ(Get("", TLS1_2_VERSION), "");
}

TEST_F(HttpTlsTest, DemandsACertificateOfItsClientAuthority) {
  TlsOptions tls = ServerTls();
  tls.client_ca_file = certificates_.Path("ca.pem");
  ASSERT_TRUE(Start(tls));
  EXPECT_THAT(Get("client"), EndsWith("secure"));
  EXPECT_EQ(Get(""), "");
}

TEST_F(HttpTlsTest, SurvivesPlainHttpOnATlsPort) {
  ASSERT_TRUE(Start(ServerTls()));
  SocketForTesting socket(server_->port());
  socket.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  socket.ReadToEnd();
  EXPECT_THAT(Get(""), EndsWith("secure"));
}

TEST_F(HttpTlsTest, NamesTheFileThatItCannotUse) {
  TlsOptions tls = ServerTls();
  tls.key_file = "/nonexistent/key.pem";
  const Status status = Start(tls);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kInvalidArgument);
  EXPECT_THAT(status.error().message,
              HasSubstr("cannot use tls key_file /nonexistent/key.pem"));
}

}  // namespace
}  // namespace khtrace::net
