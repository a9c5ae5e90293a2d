# SPDX-License-Identifier: Apache-2.0
"""The same of the JavaScript SDK, whose JSON is what browsers send."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from otlp import canonical, from_otlp_json
from read_apis import assert_same_everywhere
from server import OTLP_GRPC, OTLP_HTTP

pytestmark = pytest.mark.skipif(
    "KHTRACE_E2E_WITHOUT_JS" in os.environ,
    reason="the npm registry cannot be reached")


def run_sdk(server, way, *options):
    # Node looks for packages beside the script.
    home = pathlib.Path(os.environ["KHTRACE_E2E_JS"])
    script = shutil.copy(pathlib.Path(__file__).parent / "js/export_order.mjs",
                         home)
    url = (f"http://127.0.0.1:{server.port(OTLP_GRPC)}" if way == "grpc"
           else server.url(OTLP_HTTP, "/v1/traces"))
    done = subprocess.run(
        ["node", script, way, url, f"orders-{way}", *options], timeout=60,
        capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return from_otlp_json(json.loads(done.stdout))


@pytest.mark.parametrize("options", [(), ("gzip",)], ids=["plain", "gzip"])
@pytest.mark.parametrize("way", ["grpc", "http-protobuf", "http-json"])
def test_order_comes_back_as_it_was_recorded(server, way, options):
    expected = run_sdk(server, way, *options)
    assert len(canonical(expected)) == 5
    assert_same_everywhere(server, expected)
