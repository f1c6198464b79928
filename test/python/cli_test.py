"""The AWS CLI against the server, every operation once, as a shell would call it. WINDLASS_TEST_URL names the server, which has no keys.

The release of the CLI that is pinned knows 19 operations; the other three are called with the service model that ships in botocore,
which is how the CLI is taught what is newer than itself (`aws configure add-model`).
"""

import gzip
import glob
import json
import os
import subprocess
import sys
import tempfile
import unittest

import botocore

URL = os.environ["WINDLASS_TEST_URL"]
KEYED_URL = os.environ.get("WINDLASS_TEST_KEYED_URL")
AWS = os.path.join(os.path.dirname(sys.executable), "aws")


def service_model():
    (path,) = glob.glob(os.path.join(os.path.dirname(botocore.__file__), "data/s3vectors/*/service-2.json*"))
    with open(path, "rb") as file:
        data = file.read()
    return json.loads(gzip.decompress(data) if path.endswith(".gz") else data)


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.called = set()

    def aws(self, operation, *arguments, url=URL, key="anyone", secret="anything", models=None):
        """The answer of one command, or the code of its error."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": self.folder.name,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            # The first major version of the CLI does not read AWS_REGION.
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
            **({"AWS_DATA_PATH": models} if models else {}),
        }
        command = [sys.executable, AWS, "s3vectors", operation, *arguments, "--endpoint-url", url, "--output", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            return done.stderr.strip()
        self.called.add(operation)
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def write(self, name, value):
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as file:
            json.dump(value, file)
        return f"file://{path}"

    def newer_models(self):
        folder = os.path.join(self.folder.name, "models/s3vectors/2025-07-15")
        os.makedirs(folder)
        with open(os.path.join(folder, "service-2.json"), "w") as file:
            json.dump(service_model(), file)
        return os.path.join(self.folder.name, "models")

    def test_every_operation(self):
        aws = self.aws
        bucket = ("--vector-bucket-name", "cli-bucket")
        index = (*bucket, "--index-name", "index")
        bucket_arn = "arn:aws:s3vectors:us-east-1:000000000000:bucket/cli-bucket"
        index_arn = f"{bucket_arn}/index/index"

        self.assertEqual(aws("create-vector-bucket", *bucket, "--tags", "team=search")["vectorBucketArn"], bucket_arn)
        self.assertIn("ConflictException", aws("create-vector-bucket", *bucket))
        self.assertEqual(aws("get-vector-bucket", *bucket)["vectorBucket"]["vectorBucketArn"], bucket_arn)
        self.assertEqual([each["vectorBucketName"] for each in aws("list-vector-buckets", "--prefix", "cli-")["vectorBuckets"]], ["cli-bucket"])
        policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3vectors:*", "Resource": "*"}}
        aws("put-vector-bucket-policy", *bucket, "--policy", self.write("policy.json", policy))
        self.assertEqual(json.loads(aws("get-vector-bucket-policy", *bucket)["policy"]), policy)
        aws("delete-vector-bucket-policy", *bucket)
        self.assertIn("NotFoundException", aws("get-vector-bucket-policy", *bucket))

        create = ("--data-type", "float32", "--dimension", "2", "--distance-metric", "euclidean")
        self.assertEqual(aws("create-index", *index, *create, "--metadata-configuration", "nonFilterableMetadataKeys=body")["indexArn"], index_arn)
        self.assertEqual(aws("get-index", "--index-arn", index_arn)["index"]["metadataConfiguration"], {"nonFilterableMetadataKeys": ["body"]})
        self.assertEqual([each["indexName"] for each in aws("list-indexes", *bucket)["indexes"]], ["index"])
        for arn, tags in ((bucket_arn, {"team": "search", "a b": "c/=+"}), (index_arn, {"a b": "c/=+"})):
            aws("tag-resource", "--resource-arn", arn, "--tags", json.dumps({"a b": "c/=+", "gone": ""}))
            aws("untag-resource", "--resource-arn", arn, "--tag-keys", "gone")
            self.assertEqual(aws("list-tags-for-resource", "--resource-arn", arn)["tags"], tags)

        vectors = [
            {"key": "a", "data": {"float32": [1, 0]}, "metadata": {"n": 1, "body": "hauls anchors"}},
            {"key": "b", "data": {"float32": [0, 1]}, "metadata": {"n": 2}},
        ]
        aws("put-vectors", *index, "--vectors", self.write("vectors.json", vectors))
        self.assertEqual(aws("get-vectors", *index, "--keys", "a", "--return-data", "--return-metadata")["vectors"], vectors[:1])
        self.assertEqual([each["key"] for each in aws("list-vectors", *index, "--page-size", "1")["vectors"]], ["a", "b"])
        query = ("--top-k", "2", "--query-vector", "float32=1,0", "--return-distance", "--return-metadata")
        found = aws("query-vectors", *index, *query, "--filter", '{"n": {"$gte": 1}}')
        self.assertEqual([(each["key"], round(each["distance"], 4), each["metadata"]["n"]) for each in found["vectors"]], [("a", 0, 1), ("b", 1.4142, 2)])
        self.assertIn("ValidationException", aws("query-vectors", *index, "--top-k", "2", "--query-vector", "float32=1,0,0"))

        models = self.newer_models()
        aws("put-vector-bucket-default-index-mode", *bucket, "--default-index-mode", "ENHANCED", models=models)
        aws("update-metadata-configuration", *index, "--add", "textSearchConfigurations=[{metadataKey=body,language=en}]", models=models)
        words = aws("query-vectors", *index, "--top-k", "2", "--query-texts", "text=anchor,metadataKey=body", models=models)
        self.assertEqual([each["key"] for each in words["vectors"]], ["a"])
        aws("update-metadata-configuration", *index, "--delete", "textSearchConfigurations=[{metadataKey=body}]", models=models)
        aws("update-index-mode", *index, "--index-mode", "CLASSIC", models=models)
        self.assertEqual(aws("get-index", *index, models=models)["index"]["indexMode"], "CLASSIC")

        aws("delete-vectors", *index, "--keys", "a", "b")
        self.assertIn("ConflictException", aws("delete-vector-bucket", *bucket))
        aws("delete-index", *index)
        aws("delete-vector-bucket", *bucket)
        self.assertIn("NotFoundException", aws("get-index", *index))
        every = {"".join(f"-{char.lower()}" if char.isupper() else char for char in name).lstrip("-") for name in service_model()["operations"]}
        self.assertEqual(every - self.called, set(), "operations that were not called")

    @unittest.skipUnless(KEYED_URL, "no server with keys")
    def test_signed(self):
        self.assertIn("vectorBuckets", self.aws("list-vector-buckets", url=KEYED_URL, key="ADMIN", secret="admin-secret-0123456789"))
        self.assertIn("InvalidSignatureException", self.aws("list-vector-buckets", url=KEYED_URL, key="ADMIN", secret="wrong"))


if __name__ == "__main__":
    unittest.main()
