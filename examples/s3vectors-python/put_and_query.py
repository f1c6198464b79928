"""boto3's client of S3 Vectors, at our server or at AWS: python s3vectors-python/put_and_query.py"""

import os

import boto3

# Without an endpoint it is AWS, with the credentials of this machine. A server without keys takes any.
client = boto3.client(
    "s3vectors",
    region_name="us-east-1",
    endpoint_url=os.environ.get("WINDLASS_URL", "http://127.0.0.1:8900"),
    aws_access_key_id="any",
    aws_secret_access_key="any",
)
index = {"vectorBucketName": "example-python", "indexName": "colours"}

try:
    client.create_vector_bucket(vectorBucketName="example-python")
    client.create_index(**index, dataType="float32", dimension=3, distanceMetric="cosine")
except client.exceptions.ConflictException:
    pass
client.put_vectors(
    **index,
    vectors=[
        {"key": "red", "data": {"float32": [1, 0, 0]}, "metadata": {"warm": True}},
        {"key": "blue", "data": {"float32": [0, 0, 1]}, "metadata": {"warm": False}},
    ],
)
found = client.query_vectors(**index, topK=1, queryVector={"float32": [0.6, 0, 0.5]}, filter={"warm": True}, returnMetadata=True)
print("nearest warm colour:", found["vectors"][0]["key"])
