import { expect, test } from 'vitest'
import { parsePlace } from './parse-place.ts'

test.each([
  ['s3vectors://docs/notes', { kind: 'service', index: { bucket: 'docs', index: 'notes' } }],
  ['arn:aws:s3vectors:eu-west-1:123456789012:bucket/docs/index/notes', { kind: 'service', index: { bucket: 'docs', index: 'notes' }, region: 'eu-west-1' }],
  ['./.windlass#docs/notes', { kind: 'bucket', url: 'file:./.windlass', collection: 'docs/notes' }],
  ['/data/a#b#c', { kind: 'bucket', url: 'file:/data/a#b', collection: 'c' }],
  ['s3://bucket/prefix#notes', { kind: 'bucket', url: 's3://bucket/prefix', collection: 'notes' }],
  ['file:./x#notes', { kind: 'bucket', url: 'file:./x', collection: 'notes' }],
  ['docs/notes', { kind: 'bucket', collection: 'docs/notes' }],
  ['#notes', { kind: 'bucket', collection: 'notes' }],
])('%s', (text, expected) => expect(parsePlace(text)).toEqual(expected))

test.each(['', './.windlass', 's3://bucket/prefix', './x#', 's3vectors://docs', 's3vectors://docs/Notes', 's3vectors://docs/notes/more', 'https://host/x', 'arn:aws:s3vectors:eu-west-1:123456789012:bucket/docs'])('%s is told how places are spelled', (text) =>
  expect(() => parsePlace(text)).toThrow(/use s3vectors:\/\/bucket\/index/),
)
