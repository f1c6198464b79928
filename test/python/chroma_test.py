"""The official Python client of Chroma against a server of ours: what an application calls."""

import os
import unittest
import urllib.parse
import uuid

import chromadb
import numpy as np
from chromadb.config import Settings
from chromadb.errors import ChromaError, InvalidArgumentError, NotFoundError

URL = os.environ.get("WINDLASS_TEST_URL")
KEYED_URL = os.environ.get("WINDLASS_TEST_KEYED_URL")


def connect(url=URL, **options):
    parts = urllib.parse.urlparse(url)
    settings = Settings(anonymized_telemetry=False, **options.pop("settings", {}))
    return chromadb.HttpClient(host=parts.hostname, port=parts.port, settings=settings, **options)


@unittest.skipUnless(URL, "WINDLASS_TEST_URL names no server")
class ChromaClient(unittest.TestCase):
    def setUp(self):
        self.client = connect()
        self.collection = self.client.create_collection(f"ships-{uuid.uuid4()}", embedding_function=None)

    def tearDown(self):
        try:
            self.client.delete_collection(self.collection.name)
        except NotFoundError:
            pass

    def fill(self):
        self.collection.add(
            ids=["barque", "cutter", "dhow"],
            embeddings=[[1, 0, 0], [0, 1, 0], [0, 0, 2]],
            documents=["three masts", "one mast, fast", None],
            metadatas=[{"masts": 3, "length": 40.5, "cargo": ["grain", "wool"]}, {"masts": 1, "fast": True}, None],
        )

    def test_service(self):
        self.assertGreater(self.client.heartbeat(), 0)
        self.assertRegex(self.client.get_version(), r"^\d+\.\d+\.\d+$")
        self.assertEqual(self.client.get_max_batch_size(), 5461)

    def test_records_come_back_as_they_were(self):
        self.fill()
        found = self.collection.get(include=["embeddings", "documents", "metadatas", "uris"])
        self.assertEqual(found["ids"], ["barque", "cutter", "dhow"])
        np.testing.assert_array_equal(found["embeddings"], np.array([[1, 0, 0], [0, 1, 0], [0, 0, 2]], dtype=np.float32))
        self.assertEqual(found["metadatas"][0], {"masts": 3, "length": 40.5, "cargo": ["grain", "wool"]})
        self.assertEqual(found["metadatas"][2], None)
        self.assertEqual(found["documents"], ["three masts", "one mast, fast", None])
        self.assertEqual(self.collection.count(), 3)
        self.assertEqual(self.collection.peek(2)["ids"], ["barque", "cutter"])

    def test_upsert_update_delete(self):
        self.fill()
        self.collection.upsert(ids=["cutter", "junk"], embeddings=[[0, 3, 0], [1, 1, 1]], metadatas=[{"crew": 4}, {"masts": 5}])
        self.collection.update(ids=["dhow"], documents=["lateen sails"], embeddings=[[0, 0, 5]], metadatas=[{"flag": "OM"}])
        found = self.collection.get(ids=["cutter", "dhow", "junk"])
        self.assertEqual(found["metadatas"], [{"masts": 1, "fast": True, "crew": 4}, {"flag": "OM"}, {"masts": 5}])
        self.assertEqual(found["documents"], ["one mast, fast", "lateen sails", None])
        self.collection.delete(ids=["junk"])
        self.collection.delete(where={"masts": {"$gte": 3}})
        self.collection.delete(where_document={"$contains": "lateen"})
        self.assertEqual(self.collection.get()["ids"], ["cutter"])

    def test_query(self):
        self.fill()
        found = self.collection.query(query_embeddings=[[1, 0, 0], [0, 0, 1]], n_results=2)
        self.assertEqual(found["ids"], [["barque", "cutter"], ["dhow", "barque"]])
        np.testing.assert_allclose(found["distances"], [[0, 2], [1, 2]])
        only = self.collection.query(query_embeddings=[[1, 0, 0]], where={"masts": 1}, where_document={"$contains": "fast"})
        self.assertEqual(only["ids"], [["cutter"]])

    def test_large_batches_in_base64(self):
        rng = np.random.default_rng(7)
        vectors = rng.standard_normal((3000, 64), dtype=np.float32)
        self.collection.add(ids=[str(i) for i in range(3000)], embeddings=vectors)
        self.assertEqual(self.collection.count(), 3000)
        queries = rng.standard_normal((20, 64), dtype=np.float32)
        found = self.collection.query(query_embeddings=queries, n_results=10)
        exact = ((vectors[None] - queries[:, None]) ** 2).sum(-1)
        hits = sum(len(set(np.argsort(row)[:10].astype(str)) & set(ids)) for row, ids in zip(exact, found["ids"]))
        self.assertGreaterEqual(hits / 200, 0.95)
        np.testing.assert_allclose(found["distances"][0], [exact[0][int(i)] for i in found["ids"][0]], rtol=1e-5)

    def test_default_embedding_function_is_kept(self):
        made = self.client.create_collection(f"ef-{uuid.uuid4()}", metadata={"a": 1, "b": 1.5})
        again = self.client.get_collection(made.name)
        self.assertEqual(again.metadata, {"a": 1, "b": 1.5})
        self.assertEqual(again.configuration_json["embedding_function"], {"type": "known", "name": "default", "config": {}})
        self.client.delete_collection(made.name)

    def test_modify_and_fork(self):
        self.fill()
        name = f"renamed-{uuid.uuid4()}"
        self.collection.modify(name=name, metadata={"z": 1})
        found = self.client.get_collection(name)
        self.assertEqual((found.id, found.metadata), (self.collection.id, {"z": 1}))
        fork = found.fork(f"{name}-fork")
        fork.delete(ids=["dhow"])
        self.assertEqual((fork.count(), found.count()), (2, 3))
        self.client.delete_collection(fork.name)

    def test_hybrid_search(self):
        from chromadb import Knn, Rrf, Search

        self.fill()
        rank = Rrf([Knn(query=[1, 0, 0], return_rank=True), Knn(query=[0, 1, 0], return_rank=True)])
        found = self.collection.search(Search().rank(rank).limit(2).select("#score", "#document"))
        self.assertEqual(set(found["ids"][0]), {"barque", "cutter"})
        self.assertLess(found["scores"][0][0], 0)

    def test_errors_have_the_classes_of_the_reference(self):
        self.fill()
        for error, text, call in [
            (InvalidArgumentError, "dimension of 3, got 2", lambda: self.collection.add(ids=["x"], embeddings=[[1, 2]])),
            (NotFoundError, "does not exist", lambda: self.client.get_collection("nobody")),
            (ChromaError, "already exists", lambda: self.client.create_collection(self.collection.name)),
        ]:
            with self.assertRaises(error) as caught:
                call()
            self.assertIn(text, str(caught.exception))

    def test_tenants_and_databases(self):
        from chromadb import AdminClient

        parts = urllib.parse.urlparse(URL)
        admin = AdminClient(Settings(chroma_api_impl="chromadb.api.fastapi.FastAPI", chroma_server_host=parts.hostname, chroma_server_http_port=parts.port))
        tenant = f"tenant-{uuid.uuid4()}"
        admin.create_tenant(tenant)
        admin.create_database("prod", tenant)
        self.assertEqual([each["name"] for each in admin.list_databases(tenant=tenant)], ["prod"])
        client = connect(tenant=tenant, database="prod")
        client.create_collection("boats", embedding_function=None).add(ids=["x"], embeddings=[[1]])
        self.assertEqual([each.name for each in client.list_collections()], ["boats"])
        admin.delete_database("prod", tenant)
        with self.assertRaises(NotFoundError):
            admin.get_database("prod", tenant)


@unittest.skipUnless(KEYED_URL, "WINDLASS_TEST_KEYED_URL names no server")
class ChromaKeys(unittest.TestCase):
    provider = "chromadb.auth.token_authn.TokenAuthClientProvider"
    secret = "admin-secret-0123456789"

    def test_tokens_and_basic(self):
        for settings in [
            {"chroma_client_auth_provider": self.provider, "chroma_client_auth_credentials": self.secret, "chroma_auth_token_transport_header": "X-Chroma-Token"},
            {"chroma_client_auth_provider": self.provider, "chroma_client_auth_credentials": self.secret, "chroma_auth_token_transport_header": "Authorization"},
            {"chroma_client_auth_provider": "chromadb.auth.basic_authn.BasicAuthClientProvider", "chroma_client_auth_credentials": f"ADMIN:{self.secret}"},
        ]:
            client = connect(KEYED_URL, settings=settings)
            collection = client.get_or_create_collection("keyed", embedding_function=None)
            collection.upsert(ids=["x"], embeddings=[[1, 2]])
            self.assertEqual(collection.count(), 1)

    def test_no_key_no_answer(self):
        with self.assertRaises(Exception) as caught:
            connect(KEYED_URL).list_collections()
        self.assertIn("needs a key", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
