import { expect, test } from 'vitest'
import { expandSource, expandVariables } from './variables.ts'

test('variables are replaced by name, and $$ is a dollar sign', () => {
  const environment = { BUCKET: 'notes', PART: '$BUCKET' }
  expect(expandVariables('s3://$BUCKET/${PART}/$$x/$BUCKET.md', environment, 'url')).toBe('s3://notes/$BUCKET/$x/notes.md')
})

test('one that is unset or empty is told by name, with the place', () => {
  expect(() => expandVariables('s3://${NONE}', {}, 'source.url')).toThrow('source.url: the environment variable NONE is not set')
  expect(() => expandVariables('$NONE', { NONE: '' }, 'source.url')).toThrow('NONE is empty')
  expect(() => expandVariables('a $ b', {}, 'path')).toThrow('$ is followed by no variable')
})

test('every address of a source is expanded, and its patterns are not', () => {
  const environment = { A: 'x' }
  expect(expandSource({ type: 's3', url: '$A', endpoint: '$A', region: '$A', include: ['$A'] }, environment)).toEqual({ type: 's3', url: 'x', endpoint: 'x', region: 'x', include: ['$A'] })
  expect(expandSource({ type: 'git', path: '$A', ref: '$A' }, environment)).toEqual({ type: 'git', path: 'x', ref: 'x' })
  expect(expandSource({ type: 'urls', urls: ['$A', 'https://$A/'], sitemap: '$A' }, environment)).toEqual({ type: 'urls', urls: ['x', 'https://x/'], sitemap: 'x' })
  expect(expandSource({ type: 'folder', path: '$A/b' }, environment)).toEqual({ type: 'folder', path: 'x/b' })
})
