"""Writes and reads one collection through one server for a while, and prints what it saw: a client of test/process/chroma-servers.test.ts.

Arguments: port, seconds, a name for its values. Times are of the system's monotonic clock, which all processes share.
"""

import json
import random
import sys
import time

import chromadb
from chromadb.config import Settings

KEYS = [f"k{i}" for i in range(8)]


def connect(port, until):
    while True:
        try:
            client = chromadb.HttpClient(host="127.0.0.1", port=port, settings=Settings(anonymized_telemetry=False))
            return client.get_collection("ships", embedding_function=None)
        except Exception:
            if time.monotonic() > until + 30:
                raise
            time.sleep(0.05)


def main():
    port, seconds, name = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    operations = []
    until = time.monotonic() + seconds
    collection = connect(port, until)
    count = 0
    while time.monotonic() < until:
        key = random.choice(KEYS)
        start = time.monotonic()
        try:
            if random.random() < 0.5:
                count += 1
                value = f"{name}-{count}"
                end = None
                try:
                    # Overlapping ids: this one and some that only this client writes.
                    collection.upsert(ids=[key, f"{name}-{count}"], embeddings=[[count, 1.0], [1.0, count]], documents=[value, value])
                    end = time.monotonic()
                finally:
                    operations.append({"kind": "write", "key": key, "value": value, "start": start, "end": end})
            else:
                found = collection.get(ids=[key], include=["documents"])
                value = found["documents"][0] if found["ids"] else None
                operations.append({"kind": "read", "key": key, "value": value, "start": start, "end": time.monotonic()})
        except Exception:
            time.sleep(0.05)
    json.dump(operations, sys.stdout)


main()
