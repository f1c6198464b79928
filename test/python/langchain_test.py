"""langchain-aws's AmazonS3Vectors end to end, as its users call it. WINDLASS_TEST_URL names the server."""

import os
import unittest

import boto3
from langchain_aws.vectorstores.s3_vectors import AmazonS3Vectors
from langchain_core.embeddings import Embeddings


class Letters(Embeddings):
    """Texts by how often they have each letter: near enough to see that the order is right."""

    def embed_query(self, text):
        return [float(text.lower().count(letter)) + 0.01 for letter in "abcdefghijklmnopqrstuvwxyz"]

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]


class LangChain(unittest.TestCase):
    def test_end_to_end(self):
        client = boto3.client(
            "s3vectors",
            endpoint_url=os.environ["WINDLASS_TEST_URL"],
            region_name="us-east-1",
            aws_access_key_id="anyone",
            aws_secret_access_key="anything",
        )
        client.create_vector_bucket(vectorBucketName="langchain")
        store = AmazonS3Vectors(vector_bucket_name="langchain", index_name="notes", embedding=Letters(), client=client)
        ids = store.add_texts(["zebra zebra", "banana", "lighthouse"], metadatas=[{"n": 1}, {"n": 2}, {"n": 3}])
        self.assertEqual(len(ids), 3)
        self.assertEqual(store.similarity_search("ananas", k=1)[0].page_content, "banana")
        self.assertEqual([each.metadata["n"] for each in store.similarity_search("ananas", k=3, filter={"n": {"$gt": 2}})], [3])
        found, distance = store.similarity_search_with_score("zebra zebra", k=1)[0]
        self.assertEqual(found.page_content, "zebra zebra")
        self.assertAlmostEqual(distance, 0, places=4)
        self.assertEqual(store.get_by_ids([ids[2]])[0].page_content, "lighthouse")
        store.delete([ids[0]])
        self.assertNotIn("zebra zebra", [each.page_content for each in store.similarity_search("zebra", k=3)])
        store.delete()
        self.assertEqual(client.list_indexes(vectorBucketName="langchain")["indexes"], [])


if __name__ == "__main__":
    unittest.main()
