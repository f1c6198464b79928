"""Chroma's own client at our server: python chroma-python/add_and_query.py"""

import os
from urllib.parse import urlparse

import chromadb

url = urlparse(os.environ.get("WINDLASS_URL", "http://127.0.0.1:8900"))
client = chromadb.HttpClient(host=url.hostname, port=url.port)

# The vectors are ours here; with an embedding function the client makes them.
colours = client.get_or_create_collection("example-python", embedding_function=None)
colours.upsert(
    ids=["red", "blue"],
    embeddings=[[1, 0, 0], [0, 0, 1]],
    metadatas=[{"warm": True}, {"warm": False}],
    documents=["like fire", "like the sea"],
)
found = colours.query(query_embeddings=[[0.6, 0, 0.5]], n_results=1, where={"warm": True})
print("nearest warm colour:", found["ids"][0][0] + ",", found["documents"][0][0])
