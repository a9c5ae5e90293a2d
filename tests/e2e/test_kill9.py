# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle of load: what was acknowledged is there exactly once.

KHTRACE_KILL_CYCLES sets how often in a row (default 20)."""

import http.client
import os
import random
import threading
import time

import pytest

from otlp import PROTOBUF, request, span
from server import JAEGER, OTLP_HTTP, eventually

CYCLES = int(os.environ.get("KHTRACE_KILL_CYCLES", "20"))
SENDERS = 4


class Sender:
    """Sends numbered spans of one trace, some in each request.

    A request without an answer is sent again after the restart, as an SDK
    would: its spans may have been stored the first time."""

    def __init__(self, name, seed):
        self.name = name
        self.random = random.Random(seed)
        self.trace_id = self.random.randbytes(16)
        self.next_number = 0
        self.acknowledged = set()
        self.pending = None  # the request in flight and its numbers
        self.refusal = None  # an answer that no sender should get

    def make_request(self):
        count = self.random.choice((1, 1, 5, 50))
        numbers = range(self.next_number, self.next_number + count)
        self.next_number += count
        spans = [span(self.trace_id, f"n{number}",
                      span_id=(number + 1).to_bytes(8, "big"),
                      attrs={"number": number, "pad": "x" * 100})
                 for number in numbers]
        return request(spans, service=self.name).SerializeToString(), numbers

    def send_until_killed(self, server):
        connection = http.client.HTTPConnection(
            "127.0.0.1", server.port(OTLP_HTTP), timeout=30)
        try:
            while self.refusal is None:
                self.pending = self.pending or self.make_request()
                self.send_pending(connection)
        except (OSError, http.client.HTTPException):
            pass  # `pending` waits for the next run
        finally:
            connection.close()

    def send_pending(self, connection):
        body, numbers = self.pending
        connection.request("POST", "/v1/traces", body,
                           {"Content-Type": PROTOBUF})
        reply = connection.getresponse()
        reply.read()
        if reply.status == 200:
            self.acknowledged.update(numbers)
            self.pending = None
        elif reply.status not in (429, 503):
            self.refusal = reply.status


def stored_numbers(server, trace_id):
    reply = server.get(JAEGER, f"/api/traces/{trace_id.hex()}?raw=true")
    if reply.status == 404:
        return []
    assert reply.status == 200, reply.body
    return [int(item["operationName"][1:])
            for item in reply.json["data"][0]["spans"]]


def acknowledged(senders):
    return sum(len(sender.acknowledged) for sender in senders)


def check(server, senders):
    for sender in senders:
        numbers = stored_numbers(server, sender.trace_id)
        assert len(numbers) == len(set(numbers)), "a span came twice"
        lost = sender.acknowledged - set(numbers)
        assert not lost, f"{len(lost)} acknowledged spans are gone"
        sent = set(range(sender.next_number))
        assert set(numbers) <= sent, "spans that nobody sent"


def load_and_kill(server, senders, seconds):
    """Kills while all are sending, after that long and some acknowledgements."""
    threads = [threading.Thread(target=sender.send_until_killed, args=(server,))
               for sender in senders]
    goal = acknowledged(senders) + 5
    kill_at = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: time.monotonic() >= kill_at
                   and acknowledged(senders) >= goal,
                   "spans to be acknowledged", 60)
    finally:
        server.kill()
        for thread in threads:
            thread.join(timeout=30)
    assert [sender.refusal for sender in senders] == [None] * len(senders)


@pytest.mark.slow
def test_acknowledged_spans_survive_kill_9_exactly_once(new_server):
    seed = int(os.environ.get("KHTRACE_KILL_SEED", time.time_ns() % 10**6))
    print(f"KHTRACE_KILL_SEED={seed}")
    moment = random.Random(seed)
    # A short-lived head makes kills fall into the writing of parts as well.
    options = ("--set", "storage.head.max_age=1s")
    everyone = []
    for cycle in range(CYCLES):
        if cycle % 5 == 0:  # traces stay short enough to read in each cycle
            everyone += [Sender(f"sender-{cycle}-{number}",
                                seed + cycle * SENDERS + number)
                         for number in range(SENDERS)]
        server = new_server(*options).start()
        # Old traces are read now and then: hundreds of cycles stay linear.
        check(server, everyone if cycle % 20 == 0 else everyone[-2 * SENDERS:])
        load_and_kill(server, everyone[-SENDERS:], moment.uniform(0, 1.6))
    check(new_server(*options).start(), everyone)
    assert acknowledged(everyone) > 5 * CYCLES
