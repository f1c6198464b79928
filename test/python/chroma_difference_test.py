"""Random operations against the reference server and ours: every answer is compared, and every difference that is meant is named.

WINDLASS_TEST_URL names our server. The reference is the one of the installed package, started here in a folder that is thrown away.
WINDLASS_TEST_SEED repeats a run, WINDLASS_TEST_ROUNDS makes it longer.
"""

import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

URL = os.environ.get("WINDLASS_TEST_URL")
ROUNDS = int(os.environ.get("WINDLASS_TEST_ROUNDS", "400"))
SEED = int(os.environ.get("WINDLASS_TEST_SEED", "7"))
ROOT = "/api/v2/tenants/default_tenant/databases/default_database"
WORDS = ["anchor", "buoy", "chain", "Deck", "ébène", "fore sail", "42", ""]
KEYS = ["a", "b", "c"]


class Server:
    def __init__(self, host, port):
        self.connection = http.client.HTTPConnection(host, port, timeout=60)

    def call(self, method, path, body=None):
        headers = {"content-type": "application/json"} if body is not None else {}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None


def start_reference(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = os.path.join(os.path.dirname(sys.executable), "chroma")
    process = subprocess.Popen([command, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(150):
        try:
            Server("127.0.0.1", port).call("GET", "/api/v2/heartbeat")
            return process, Server("127.0.0.1", port)
        except OSError:
            time.sleep(0.2)
    process.kill()
    raise RuntimeError("the reference server does not answer")


class Scene:
    """Makes requests: small ranges, so that records, values and mistakes meet."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.insertions = 0

    def chance(self, share):
        return self.random.random() < share

    def id(self):
        return f"k{self.random.randrange(12)}"

    def vector(self):
        # No two distances are equal, so that there is one order.
        return [round(self.random.uniform(-9, 9), 4) for _ in range(3)] if not self.chance(0.01) else [1.0, 2.0]

    def document(self):
        return " ".join(self.random.choices(WORDS, k=self.random.randrange(5)))

    def scalar(self):
        return self.random.choice([0, 1, 2, 1.0, 1.5, -2, "x", "1", "", True, False])

    def value(self, null):
        if null and self.chance(0.2):
            return None
        if self.chance(0.2):
            kind = self.random.choice([lambda: self.random.randrange(3), lambda: self.random.choice("xyz"), lambda: self.random.choice([0.5, 1.5]), lambda: self.chance(0.5)])
            return [kind() for _ in range(self.random.randrange(1, 4))]
        return self.scalar()

    def metadata(self, null=False):
        return {key: self.value(null) for key in KEYS if self.chance(0.5)}

    def records(self, call):
        ids = list(dict.fromkeys(self.id() for _ in range(self.random.randrange(1, 5))))
        body = {"ids": ids}
        if call != "update" or self.chance(0.5):
            body["embeddings"] = [self.vector() for _ in ids]
        if self.chance(0.7):
            body["documents"] = [None if self.chance(0.2) else self.document() for _ in ids]
        if self.chance(0.7):
            body["metadatas"] = [None if self.chance(0.2) else self.metadata(call != "add") or None for _ in ids]
        if self.chance(0.1):
            body["uris"] = [f"s3://{id}" for id in ids]
        return body

    def where(self, depth=0):
        if depth < 2 and self.chance(0.3):
            return {self.random.choice(["$and", "$or"]): [self.where(depth + 1) for _ in range(self.random.randrange(1, 4))]}
        key = self.random.choice(KEYS)
        operator = self.random.choice(["", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$contains", "$not_contains"])
        if operator in ("$in", "$nin"):
            kind = self.random.choice([[0, 1, 2], ["x", "1", ""], [True, False], [0.0, 1.0, 2.0]])
            return {key: {operator: self.random.sample(kind, self.random.randrange(1, len(kind)))}}
        if "contains" in operator:
            return {key: {operator: self.random.choice([0, 1, 2, "x", 0.5, 1.5, True])}}
        # No fractions: the reference cuts them off before it compares with integers.
        operand = self.random.choice([0, 1, 2, 1.0, -2, "x", "1", "", True, False])
        return {key: operand} if operator == "" else {key: {operator: operand}}

    def where_document(self, depth=0):
        if depth < 2 and self.chance(0.3):
            return {self.random.choice(["$and", "$or"]): [self.where_document(depth + 1) for _ in range(self.random.randrange(1, 4))]}
        operator = self.random.choice(["$contains", "$not_contains", "$regex", "$not_regex"])
        literal = self.random.choice(["anchor", "cho", "Deck", "deck", "ébène", "sail", "e", "42 "])
        pattern = self.random.choice(["an.hor", "^chain", "(buoy|Deck)", "[0-9]+", "sail$", "é"])
        return {operator: literal if "contains" in operator else pattern}

    def conditions(self):
        body = {}
        if self.chance(0.5):
            body["where"] = self.where()
        if self.chance(0.3):
            body["where_document"] = self.where_document()
        return body

    def request(self):
        call = self.random.choice(["add", "upsert", "update", "get", "get", "get", "query", "query", "delete", "count"])
        if call in ("add", "upsert", "update"):
            return call, self.records(call)
        if call == "count":
            return call, None
        body = self.conditions()
        if call == "delete":
            if self.chance(0.7):
                body = {"ids": [self.id()]}
            return call, body
        if self.chance(0.3):
            body["ids"] = [self.id() for _ in range(self.random.randrange(1, 4))]
        if call == "get":
            body["include"] = ["documents", "embeddings", "metadatas", "uris"]
            if self.chance(0.3):
                body["limit"] = self.random.randrange(5)
            if self.chance(0.3):
                body["offset"] = self.random.randrange(5)
        else:
            body["query_embeddings"] = [self.vector() for _ in range(self.random.randrange(1, 3))]
            body["n_results"] = self.random.randrange(1, 15)
            body["include"] = ["documents", "metadatas", "distances"]
        return call, body


def same(a, b):
    """Equal; floats as nearly as float32 has them."""
    if isinstance(a, float) and isinstance(b, (int, float)) or isinstance(b, float) and isinstance(a, (int, float)):
        return abs(a - b) <= 1e-4 * max(1.0, abs(a))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    # A record whose last key was removed has {} in a query of the reference, and null in its get.
    return type(a) is type(b) and a == b or a == {} and b is None


def is_meant(call, body, theirs, ours, reference_get):
    """Whether a difference is one of those in docs/chroma.md."""
    if call != "query" or ours[0] != 200:
        return False
    # The reference answers 500 where ids of a query are unknown.
    if theirs[0] == 500:
        return "ids" in body
    if theirs[0] != 200:
        return False
    # Its index is approximate, and misses records where a condition leaves few: what it finds must be ours, in our order, and ours complete.
    status, got = reference_get({key: body[key] for key in ("where", "where_document", "ids") if key in body})
    for found, all_ours in zip(theirs[1]["ids"], ours[1]["ids"]):
        rest = iter(all_ours)
        if len(found) >= len(all_ours) or not all(id in rest for id in found):
            return False
        if not set(all_ours) <= set(got["ids"]) or len(all_ours) != min(body["n_results"], len(got["ids"])):
            return False
    return True


@unittest.skipUnless(URL, "WINDLASS_TEST_URL names no server")
class Difference(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="chroma-reference-")
        self.process, self.reference = start_reference(self.folder)
        parts = urllib.parse.urlparse(URL)
        self.ours = Server(parts.hostname, parts.port)

    def tearDown(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)

    def make(self, server, name, space):
        status, collection = server.call("POST", f"{ROOT}/collections", {"name": name, "configuration": {"hnsw": {"space": space}}})
        assert status == 200, collection
        return f"{ROOT}/collections/{collection['id']}"

    def test_random_operations(self):
        meant = 0
        for round_number, space in enumerate(["l2", "cosine", "ip"]):
            scene = Scene(SEED + round_number)
            name = f"difference-{space}-{time.time_ns()}"
            theirs_at, ours_at = self.make(self.reference, name, space), self.make(self.ours, name, space)
            for step in range(ROUNDS):
                call, body = scene.request()
                method = "GET" if call == "count" else "POST"
                theirs = self.reference.call(method, f"{theirs_at}/{call}", body)
                ours = self.ours.call(method, f"{ours_at}/{call}", body)
                if same(theirs, ours):
                    continue
                if theirs[0] == ours[0] and theirs[0] >= 400 and theirs[1]["error"] == ours[1]["error"] and theirs[0] == 422:
                    continue
                if is_meant(call, body, theirs, ours, lambda conditions: self.reference.call("POST", f"{theirs_at}/get", conditions)):
                    meant += 1
                    continue
                self.fail(f"seed {SEED + round_number}, step {step} ({space}): {call} {json.dumps(body)}\nreference: {theirs}\nours:      {ours}")
            self.ours.call("DELETE", f"{ROOT}/collections/{name}")
        print(f"{3 * ROUNDS} operations, {meant} differences that are meant")


if __name__ == "__main__":
    unittest.main()
