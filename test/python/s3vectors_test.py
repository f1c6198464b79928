"""boto3 against the server: every operation of the model, its paginators, and random operations against a plain model.

Every answer is held against the service model that ships in botocore. WINDLASS_TEST_URL names the server, which has no keys;
WINDLASS_TEST_KEYED_URL one with the key ADMIN / admin-secret-0123456789.
"""

import math
import os
import random
import struct
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

URL = os.environ["WINDLASS_TEST_URL"]
# Of the signature protocol, not of the service.
SIGNATURE_ERRORS = {"InvalidSignatureException", "UnrecognizedClientException", "MissingAuthenticationTokenException"}
ROUNDS = int(os.environ.get("WINDLASS_TEST_ROUNDS", "400"))


def new_client(url=URL, key="anyone", secret="anything"):
    client = boto3.client(
        "s3vectors",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 1}),
    )
    validator = ParamValidator()

    def check(parsed, model, **_):
        if "Error" in parsed:
            known = {shape.name for shape in model.error_shapes} | SIGNATURE_ERRORS
            assert parsed["Error"]["Code"] in known, f"{model.name} answers {parsed['Error']}, which the model does not know"
            assert parsed["Error"].get("Message") and parsed["ResponseMetadata"].get("RequestId"), f"{model.name} answers {parsed}"
            return
        if model.output_shape is None:
            return
        body = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
        report = validator.validate(body, model.output_shape)
        assert not report.has_errors(), f"{model.name}: {report.generate_report()}"
        unknown = set(body) - set(model.output_shape.members)
        assert not unknown, f"{model.name} answers {unknown}, which the model does not know"

    client.meta.events.register("after-call.s3vectors", check)
    return client


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


class Operations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = new_client()
        cls.called = set()
        cls.client.meta.events.register("after-call.s3vectors", lambda model, **_: cls.called.add(model.name))

    def refused(self, code, operation, **arguments):
        with self.assertRaises(ClientError) as caught:
            getattr(self.client, operation)(**arguments)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)

    def test_every_operation(self):
        c = self.client
        bucket = "python-bucket"
        index = {"vectorBucketName": bucket, "indexName": "index"}
        bucket_arn = c.create_vector_bucket(vectorBucketName=bucket, tags={"a": "1"})["vectorBucketArn"]
        self.refused("ConflictException", "create_vector_bucket", vectorBucketName=bucket)
        found = c.get_vector_bucket(vectorBucketName=bucket)["vectorBucket"]
        self.assertEqual(found["vectorBucketArn"], bucket_arn)
        self.assertEqual(found["defaultIndexMode"], "ENHANCED")
        self.assertGreater(found["creationTime"].year, 2025)
        c.put_vector_bucket_default_index_mode(vectorBucketName=bucket, defaultIndexMode="ENHANCED")
        policy = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3vectors:*", "Resource": "*"}}'
        c.put_vector_bucket_policy(vectorBucketArn=bucket_arn, policy=policy)
        self.assertEqual(c.get_vector_bucket_policy(vectorBucketName=bucket)["policy"], policy)
        c.delete_vector_bucket_policy(vectorBucketName=bucket)
        self.refused("NotFoundException", "get_vector_bucket_policy", vectorBucketName=bucket)

        index_arn = c.create_index(
            **index,
            dataType="float32",
            dimension=2,
            distanceMetric="euclidean",
            metadataConfiguration={"nonFilterableMetadataKeys": ["body"], "textSearchConfigurations": [{"metadataKey": "body", "language": "en"}]},
        )["indexArn"]
        described = c.get_index(indexArn=index_arn)["index"]
        self.assertEqual(described["metadataConfiguration"]["textSearchConfigurations"], [{"metadataKey": "body", "language": "en", "status": "ACTIVE"}])
        c.update_index_mode(**index, indexMode="ENHANCED")
        c.update_metadata_configuration(**index, add={"textSearchConfigurations": [{"metadataKey": "title"}]})
        self.assertEqual([each["indexName"] for each in c.list_indexes(vectorBucketName=bucket)["indexes"]], ["index"])
        for arn in (bucket_arn, index_arn):
            c.tag_resource(resourceArn=arn, tags={"k e y": "v/=+"})
            c.untag_resource(resourceArn=arn, tagKeys=["a"])
            self.assertEqual(c.list_tags_for_resource(resourceArn=arn)["tags"], {"k e y": "v/=+"})

        c.put_vectors(
            **index,
            vectors=[
                {"key": "a", "data": {"float32": [1, 0]}, "metadata": {"body": "the windlass hauls anchors", "n": 1}},
                {"key": "b", "data": {"float32": [0, 1]}, "metadata": {"body": "bread and salt", "n": 2}},
            ],
        )
        self.assertEqual(c.get_vectors(**index, keys=["b"], returnData=True)["vectors"], [{"key": "b", "data": {"float32": [0.0, 1.0]}}])
        near = c.query_vectors(**index, topK=5, queryVector={"float32": [1, 0]}, returnDistance=True, filter={"n": {"$gte": 1}})
        self.assertEqual([(v["key"], round(v["distance"], 4)) for v in near["vectors"]], [("a", 0.0), ("b", 1.4142)])
        words = c.query_vectors(**index, topK=5, queryTexts=[{"text": "anchor", "metadataKey": "body"}], returnScores=True)
        self.assertEqual([v["key"] for v in words["vectors"]], ["a"])
        self.assertEqual([v["key"] for v in c.list_vectors(**index)["vectors"]], ["a", "b"])
        for bad in ([float("nan"), 0], [float("inf"), 0], [1, 2, 3]):
            self.refused("ValidationException", "put_vectors", **index, vectors=[{"key": "x", "data": {"float32": bad}}])
        c.delete_vectors(**index, keys=["a"])
        self.refused("ConflictException", "delete_vector_bucket", vectorBucketName=bucket)
        c.delete_index(**index)
        self.refused("NotFoundException", "get_index", **index)
        self.assertNotIn(bucket, "".join(each["vectorBucketName"] for page in c.get_paginator("list_vector_buckets").paginate(prefix="none") for each in page["vectorBuckets"]))
        c.delete_vector_bucket(vectorBucketName=bucket)
        missing = set(c.meta.service_model.operation_names) - self.called
        self.assertEqual(missing, set(), "operations that were not called")

    def test_paginators(self):
        c = self.client
        c.create_vector_bucket(vectorBucketName="python-pages")
        index = {"vectorBucketName": "python-pages", "indexName": "index"}
        c.create_index(**index, dataType="float32", dimension=1, distanceMetric="euclidean")
        for start in range(0, 1500, 500):
            c.put_vectors(**index, vectors=[{"key": f"k{i}", "data": {"float32": [i]}} for i in range(start, start + 500)])
        keys = [v["key"] for page in c.get_paginator("list_vectors").paginate(**index, PaginationConfig={"PageSize": 333}) for v in page["vectors"]]
        self.assertEqual(keys, [f"k{i}" for i in range(1500)])
        arguments = {**index, "topK": 1400, "queryVector": {"float32": [0.0]}}
        if c.can_paginate("query_vectors"):
            found = [v["key"] for page in c.get_paginator("query_vectors").paginate(**arguments) for v in page["vectors"]]
            self.assertEqual(found, [f"k{i}" for i in range(1400)])

    def test_random_operations_against_a_plain_model(self):
        c = self.client
        seed = int(os.environ.get("WINDLASS_TEST_SEED", random.randrange(1 << 30)))
        rng = random.Random(seed)
        c.create_vector_bucket(vectorBucketName="python-model")
        for metric in ("euclidean", "cosine"):
            index = {"vectorBucketName": "python-model", "indexName": metric}
            arn = c.create_index(**index, dataType="float32", dimension=3, distanceMetric=metric)["indexArn"]
            model, tags = {}, {}
            for _ in range(ROUNDS // 2):
                if rng.random() < 0.02:
                    # What comes after it must not see what was before.
                    c.delete_index(indexArn=arn)
                    c.create_index(**index, dataType="float32", dimension=3, distanceMetric=metric)
                    model, tags = {}, {}
                self.step(c, rng, index if rng.random() < 0.5 else {"indexArn": arn}, metric, model, seed)
                self.tag_step(c, rng, arn, tags, seed)

    def step(self, c, rng, index, metric, model, seed):
        kind = rng.choice(["put", "put", "delete", "get", "query", "query", "list", "segments"])
        keys = [f"k{rng.randrange(40)}" for _ in range(rng.randrange(1, 6))]
        if kind == "put":
            vectors = [self.record(rng, key) for key in keys]
            c.put_vectors(**index, vectors=vectors)
            for vector in vectors:
                model[vector["key"]] = vector
        elif kind == "delete":
            c.delete_vectors(**index, keys=keys)
            for key in keys:
                model.pop(key, None)
        elif kind == "get":
            found = c.get_vectors(**index, keys=keys, returnData=True, returnMetadata=True)["vectors"]
            self.assertEqual(self.contents(found), self.contents(model[k] for k in set(keys) if k in model), f"seed {seed}")
        elif kind == "list":
            found = [v for page in c.get_paginator("list_vectors").paginate(**index, returnData=True, returnMetadata=True, PaginationConfig={"PageSize": 7}) for v in page["vectors"]]
            self.assertEqual(self.contents(found), self.contents(model.values()), f"seed {seed}")
            self.assertEqual(len(found), len(model), f"nothing twice, seed {seed}")
        elif kind == "segments":
            count = rng.randrange(1, 6)
            pages = [c.get_paginator("list_vectors").paginate(**index, segmentCount=count, segmentIndex=i) for i in range(count)]
            found = [v["key"] for segment in pages for page in segment for v in page["vectors"]]
            self.assertEqual(sorted(found), sorted(model), f"seed {seed}")
        else:
            self.check_query(c, rng, index, metric, model, seed)

    @staticmethod
    def contents(vectors):
        return {v["key"]: (v["data"]["float32"], v["metadata"]) for v in vectors}

    def tag_step(self, c, rng, arn, tags, seed):
        name = rng.choice(["a", "b c", "d/é"])
        kind = rng.randrange(20)
        if kind == 0:
            tags[name] = str(rng.randrange(10))
            c.tag_resource(resourceArn=arn, tags={name: tags[name]})
        elif kind == 1:
            tags.pop(name, None)
            c.untag_resource(resourceArn=arn, tagKeys=[name])
        elif kind == 2:
            self.assertEqual(c.list_tags_for_resource(resourceArn=arn)["tags"], tags, f"seed {seed}")

    def record(self, rng, key):
        vector = [float32(rng.uniform(-1, 1)) for _ in range(3)]
        metadata = {"color": rng.choice(["red", "green", "grey"]), "n": rng.randrange(10), "tags": rng.sample(["x", "y", "z"], 2), "even": rng.random() < 0.5}
        kept = [name for name in metadata if rng.random() < 0.8]
        return {"key": key, "data": {"float32": vector}, "metadata": {name: metadata[name] for name in kept}}

    def random_filter(self, rng, depth):
        """A filter of the documented language, and what it means: on a list any element counts, a missing key is not equal."""
        if depth > 0 and rng.random() < 0.4:
            parts = [self.random_filter(rng, depth - 1) for _ in range(rng.randrange(1, 4))]
            name, combine = rng.choice([("$and", all), ("$or", any)])
            return {name: [each for each, _ in parts]}, lambda m: combine(test(m) for _, test in parts)
        key, values = rng.choice([("color", ["red", "green", "grey"]), ("n", list(range(10))), ("tags", ["x", "y", "z"]), ("even", [True, False]), ("none", ["x"])])
        value, several, number = rng.choice(values), rng.sample(values, rng.randrange(1, len(values) + 1)), rng.randrange(10)
        have = lambda m: (m[key] if isinstance(m[key], list) else [m[key]]) if key in m else []
        numbers = lambda m: [each for each in have(m) if not isinstance(each, (str, bool))]
        return rng.choice(
            [
                ({key: value}, lambda m: value in have(m)),
                ({key: {"$eq": value}}, lambda m: value in have(m)),
                ({key: {"$ne": value}}, lambda m: value not in have(m)),
                ({key: {"$in": several}}, lambda m: any(each in have(m) for each in several)),
                ({key: {"$nin": several}}, lambda m: not any(each in have(m) for each in several)),
                ({key: {"$exists": True}}, lambda m: key in m),
                ({key: {"$exists": False}}, lambda m: key not in m),
                ({key: {"$gt": number}}, lambda m: any(each > number for each in numbers(m))),
                ({key: {"$gte": number, "$lt": number + 3}}, lambda m: any(each >= number for each in numbers(m)) and any(each < number + 3 for each in numbers(m))),
                ({key: {"$lte": number}}, lambda m: any(each <= number for each in numbers(m))),
                ({key: {"$startsWith": "gr"}}, lambda m: any(isinstance(each, str) and each.startswith("gr") for each in have(m))),
            ]
        )

    def check_query(self, c, rng, index, metric, model, seed):
        query = [float32(rng.uniform(-1, 1)) for _ in range(3)]
        chosen, test = self.random_filter(rng, 3) if rng.random() < 0.8 else (None, lambda m: True)
        arguments = {"filter": chosen} if chosen else {}
        found = c.query_vectors(**index, topK=5, queryVector={"float32": query}, returnDistance=True, **arguments)["vectors"]
        expected = sorted(self.distance(metric, query, v["data"]["float32"]) for v in model.values() if test(v["metadata"]))[:5]
        self.assertEqual(len(found), len(expected), f"seed {seed}")
        for got, want in zip(found, expected):
            self.assertTrue(test(model[got["key"]]["metadata"]), f"seed {seed}")
            self.assertAlmostEqual(got["distance"], want, places=4, msg=f"seed {seed}")

    @staticmethod
    def distance(metric, a, b):
        if metric == "euclidean":
            return math.dist(a, b)
        return 1 - sum(x * y for x, y in zip(a, b)) / (math.hypot(*a) * math.hypot(*b))


@unittest.skipUnless("WINDLASS_TEST_KEYED_URL" in os.environ, "no server with keys")
class Signatures(unittest.TestCase):
    def test_signed_requests_and_their_tags(self):
        url = os.environ["WINDLASS_TEST_KEYED_URL"]
        client = new_client(url, "ADMIN", "admin-secret-0123456789")
        arn = client.create_vector_bucket(vectorBucketName="signed")["vectorBucketArn"]
        client.tag_resource(resourceArn=arn, tags={"a": "b"})
        self.assertEqual(client.list_tags_for_resource(resourceArn=arn)["tags"], {"a": "b"})
        with self.assertRaises(ClientError) as caught:
            new_client(url, "ADMIN", "wrong-secret-0123456789").list_vector_buckets()
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 403)
        self.assertEqual(caught.exception.response["Error"]["Code"], "InvalidSignatureException")


if __name__ == "__main__":
    unittest.main()
