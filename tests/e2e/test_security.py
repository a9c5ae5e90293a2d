# SPDX-License-Identifier: Apache-2.0
"""TLS, bearer tokens, CORS and tenants, by configuration."""

import http.client
import json
import ssl
import subprocess

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import (trace_service_pb2,
                                                    trace_service_pb2_grpc)

from otlp import JSON, new_trace_id, post, request, span
from server import JAEGER, OTLP_GRPC, OTLP_HTTP, TEMPO, run_khtrace

CONFIG = """
receivers:
  otlp:
    protocols:
      grpc:
        tls: {{cert_file: {dir}/cert.pem, key_file: {dir}/key.pem}}
        auth: {{authenticator: bearertokenauth}}
      http:
        tls: {{cert_file: {dir}/cert.pem, key_file: {dir}/key.pem}}
        auth: {{authenticator: bearertokenauth}}
        cors:
          allowed_origins: ["https://*.example.com"]
          allowed_headers: ["X-Custom"]
          max_age: 600
extensions:
  bearertokenauth: {{token: sesame}}
exporters: {{khtrace_store: }}
service:
  extensions: [bearertokenauth]
  pipelines:
    traces: {{receivers: [otlp], exporters: [khtrace_store]}}
"""


@pytest.fixture
def guarded(new_server, tmp_path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
         tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True)
    config = tmp_path / "khtrace.yml"
    config.write_text(CONFIG.format(dir=tmp_path))
    return new_server("--config", config).start()


def https(server, tmp_path, method, headers, body=None):
    trust = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    connection = http.client.HTTPSConnection(
        "127.0.0.1", server.port(OTLP_HTTP), timeout=30, context=trust)
    try:
        connection.request(method, "/v1/traces", body, headers)
        reply = connection.getresponse()
        return reply, reply.read()
    finally:
        connection.close()


@pytest.mark.parametrize("header, status", [
    ("Bearer sesame", 200), ("bearer sesame", 200), ("Bearer sesam", 401),
    ("Bearer sesame2", 401), ("Basic sesame", 401), ("sesame", 401), (None, 401)])
def test_https_wants_the_token(guarded, tmp_path, header, status):
    headers = {"Content-Type": JSON}
    if header:
        headers["Authorization"] = header
    reply, body = https(guarded, tmp_path, "POST", headers, "{}")
    assert reply.status == status
    if status == 401:
        answer = json.loads(body)
        assert answer["code"] == 16
        assert "sesam" not in answer["message"]


def test_plain_http_does_not_get_through_tls(guarded):
    try:
        assert post(guarded, b"").status != 200
    except (OSError, http.client.HTTPException):
        pass


def test_grpc_wants_tls_and_the_token(guarded, tmp_path):
    trust = grpc.ssl_channel_credentials((tmp_path / "cert.pem").read_bytes())
    target = f"localhost:{guarded.port(OTLP_GRPC)}"
    body = request([span(new_trace_id())])
    message = trace_service_pb2.ExportTraceServiceRequest.FromString(
        body.SerializeToString())
    with grpc.secure_channel(target, trust) as channel:
        stub = trace_service_pb2_grpc.TraceServiceStub(channel)
        stub.Export(message, timeout=30,
                    metadata=[("authorization", "Bearer sesame")])
        with pytest.raises(grpc.RpcError) as refused:
            stub.Export(message, timeout=30)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    with grpc.insecure_channel(target) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            trace_service_pb2_grpc.TraceServiceStub(channel).Export(
                message, timeout=30)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def preflight(origin):
    return {"Origin": origin, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-custom"}


def test_preflight_of_an_allowed_origin_needs_no_token(guarded, tmp_path):
    origin = "https://shop.example.com"
    reply, _ = https(guarded, tmp_path, "OPTIONS", preflight(origin))
    assert reply.status in (200, 204)
    assert reply.headers["Access-Control-Allow-Origin"] == origin
    allowed = reply.headers["Access-Control-Allow-Headers"].lower()
    assert "content-type" in allowed and "x-custom" in allowed
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    assert reply.headers["Access-Control-Max-Age"] == "600"
    reply, _ = https(guarded, tmp_path, "POST", {
        "Origin": origin, "Content-Type": JSON,
        "Authorization": "Bearer sesame"}, "{}")
    assert reply.headers["Access-Control-Allow-Origin"] == origin


def test_preflight_of_a_foreign_origin_is_not_allowed(guarded, tmp_path):
    reply, _ = https(guarded, tmp_path, "OPTIONS",
                     preflight("https://evil.example.net"))
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_without_configuration_there_is_no_cors(server):
    reply = server.request(OTLP_HTTP, "OPTIONS", "/v1/traces", headers=preflight(
        "https://shop.example.com"))
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_query_apis_want_their_token(new_server):
    server = new_server("--set", "auth.bearer_tokens=[open]").start()
    for base, path in ((JAEGER, "/api/services"), (TEMPO, "/api/traces/1")):
        assert server.get(base, path).status == 401
        assert server.get(base, path,
                          Authorization="Bearer open").status in (200, 404)
    assert server.get(TEMPO, "/ready").status == 200


def test_commands_say_who_asks(new_server, monkeypatch):
    server = new_server("--set", "auth.bearer_tokens=[open]",
                        "--set", "multitenancy=true").start()
    item = span(new_trace_id())
    assert post(server, request([item]), X_Scope_OrgID="red").status == 200
    trace = ("trace", item.trace_id.hex(), "--port-offset", server.offset)
    code, _, err = run_khtrace(*trace)
    assert code != 0 and "--token" in err
    code, out, err = run_khtrace(*trace, "--token", "open", "--tenant", "red")
    assert code == 0, err
    code, _, err = run_khtrace(*trace, "--token", "open", "--tenant", "blue")
    assert code != 0 and "no trace" in err
    monkeypatch.setenv("KHTRACE_TOKEN", "open")
    monkeypatch.setenv("KHTRACE_TENANT", "red")
    for command in ("query", "doctor"):
        code, out, err = run_khtrace(command, "--port-offset", server.offset)
        assert code == 0, out + err


def test_tenants_do_not_see_each_other(new_server):
    server = new_server("--set", "multitenancy=true").start()
    item = span(new_trace_id())
    body = request([item])
    path = f"/api/traces/{item.trace_id.hex()}"
    assert post(server, body).status == 401
    assert post(server, body, X_Scope_OrgID="red").status == 200
    for base in (JAEGER, TEMPO):
        assert server.get(base, path).status == 401
        assert server.get(base, path, X_Scope_OrgID="red").status == 200
        assert server.get(base, path, X_Scope_OrgID="blue").status == 404
    assert server.get(JAEGER, "/api/services", X_Scope_OrgID="../red").status == 400


def test_metrics_and_logs_are_unimplemented_over_grpc(server):
    with grpc.insecure_channel(
            f"127.0.0.1:{server.port(OTLP_GRPC)}") as channel:
        for name in ("metrics.v1.MetricsService", "logs.v1.LogsService"):
            call = channel.unary_unary(
                f"/opentelemetry.proto.collector.{name}/Export")
            with pytest.raises(grpc.RpcError) as refused:
                call(b"", timeout=30)
            assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("body, code", [
    (b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT),
    (request([span(b"\x01" * 17)]).SerializeToString(),
     grpc.StatusCode.INVALID_ARGUMENT),
    (b"\x00" * (4 * 1024 * 1024 + 1), grpc.StatusCode.RESOURCE_EXHAUSTED),
], ids=["no message", "17-byte trace id", "over 4 MiB"])
def test_bad_grpc_message_gets_its_code(server, body, code):
    with grpc.insecure_channel(
            f"127.0.0.1:{server.port(OTLP_GRPC)}") as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1."
                                   "TraceService/Export")
        with pytest.raises(grpc.RpcError) as refused:
            call(body, timeout=30)
        assert refused.value.code() == code


def test_grpc_reports_dropped_spans(server):
    with grpc.insecure_channel(
            f"127.0.0.1:{server.port(OTLP_GRPC)}") as channel:
        answer = trace_service_pb2_grpc.TraceServiceStub(channel).Export(
            request([span(bytes(16)), span(new_trace_id())]), timeout=30)
        assert answer.partial_success.rejected_spans == 1
        assert "zero_trace_id" in answer.partial_success.error_message
