"""boto3's client of S3 Vectors, at our server: python s3vectors-python/put_and_query.py"""

import os

import boto3

# Our server; one without keys takes any. At AWS: no endpoint, no credentials (those of this machine are found), a region of yours.
client = boto3.client(
    "s3vectors",
    region_name="us-east-1",
    endpoint_url=os.environ.get("WINDLASS_URL", "http://127.0.0.1:8900"),
    aws_access_key_id="any",
    aws_secret_access_key="any",
)
index = {"vectorBucketName": "example-python", "indexName": "colours"}


def unless_there(make, **names):
    try:
        make(**names)
    except client.exceptions.ConflictException:
        pass


unless_there(client.create_vector_bucket, vectorBucketName=index["vectorBucketName"])
unless_there(client.create_index, **index, dataType="float32", dimension=3, distanceMetric="cosine")
client.put_vectors(
    **index,
    vectors=[
        {"key": "red", "data": {"float32": [1, 0, 0]}, "metadata": {"warm": True}},
        {"key": "blue", "data": {"float32": [0, 0, 1]}, "metadata": {"warm": False}},
    ],
)
found = client.query_vectors(**index, topK=1, queryVector={"float32": [0.6, 0, 0.5]}, filter={"warm": True}, returnMetadata=True)
print("nearest warm colour:", found["vectors"][0]["key"])
