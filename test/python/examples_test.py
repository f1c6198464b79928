"""The examples in Python as they stand there. WINDLASS_TEST_URL names the server, which has no keys."""

import os
import subprocess
import sys
import unittest

import boto3

EXAMPLES = os.path.join(os.path.dirname(__file__), "../../examples")


class Examples(unittest.TestCase):
    def run_twice(self, path):
        environment = {**os.environ, "WINDLASS_URL": os.environ["WINDLASS_TEST_URL"], "ANONYMIZED_TELEMETRY": "False"}
        for _ in range(2):
            done = subprocess.run([sys.executable, os.path.join(EXAMPLES, path)], env=environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_s3vectors(self):
        self.assertEqual(self.run_twice("s3vectors-python/put_and_query.py"), "nearest warm colour: red\n")
        # The vector bucket is there, and the index is not.
        client = boto3.client("s3vectors", region_name="us-east-1", endpoint_url=os.environ["WINDLASS_TEST_URL"], aws_access_key_id="any", aws_secret_access_key="any")
        client.delete_index(vectorBucketName="example-python", indexName="colours")
        self.assertEqual(self.run_twice("s3vectors-python/put_and_query.py"), "nearest warm colour: red\n")

    def test_chroma(self):
        self.assertEqual(self.run_twice("chroma-python/add_and_query.py"), "nearest warm colour: red, like fire\n")


if __name__ == "__main__":
    unittest.main()
