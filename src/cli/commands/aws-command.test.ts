import { expect, test } from 'vitest'
import { awsCommandFor } from './aws-command.ts'

const endpoint = 'http://127.0.0.1:8900'

test.each([
  [['create-bucket', '--bucket-name', 'docs', '--region', 'us-east-1'], 'aws s3vectors create-vector-bucket --vector-bucket-name docs --region us-east-1 --endpoint-url http://127.0.0.1:8900'],
  [['create-bucket', '--bucket-name=docs'], 'aws s3vectors create-vector-bucket --vector-bucket-name docs --endpoint-url http://127.0.0.1:8900'],
  [
    ['create-index', '--bucket-name', 'docs', '--index-name', 'notes'],
    'aws s3vectors create-index --vector-bucket-name docs --index-name notes --data-type float32 --dimension 384 --distance-metric cosine --endpoint-url http://127.0.0.1:8900',
  ],
  [
    ['create-index', '--vector-bucket-name', 'docs', '--index-name', 'notes', '--dimension=8', '--distance-metric', 'euclidean', '--data-type', 'float32', '--endpoint-url', 'http://other'],
    'aws s3vectors create-index --vector-bucket-name docs --index-name notes --dimension=8 --distance-metric euclidean --data-type float32 --endpoint-url http://other',
  ],
  [['query-vectors', '--filter', `{"a": "it's"}`], `aws s3vectors query-vectors --filter '{"a": "it'\\''s"}' --endpoint-url http://127.0.0.1:8900`],
])('%j', (words, command) => expect(awsCommandFor(words, { endpoint })).toBe(command))
