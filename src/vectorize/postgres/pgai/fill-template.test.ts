import { expect, test } from 'vitest'
import { fillTemplate, pythonText, templateNames } from './fill-template.ts'

// What Python 3 answers for string.Template(...).substitute(title='T', chunk='C').
test.each([
  ['$chunk', 'C'],
  ['title: $title\n${chunk}s', 'title: T\nCs'],
  ['costs $$5 $chunk', 'costs $5 C'],
  ['$$chunk', '$chunk'],
  ['$title$chunk.', 'TC.'],
])('%j becomes %j', (template, expected) => expect(fillTemplate(template, { title: 'T', chunk: 'C' })).toBe(expected))

test.each([
  ['$author $chunk', /asks for \$author, which is no column/],
  ['5 $ $chunk', /a \$ at character 2 that begins no name/],
  ['$1', /begins no name/],
  ['$constructor', /no column/],
])('%j is refused', (template, message) => expect(() => fillTemplate(template, { chunk: 'C' })).toThrow(message))

test('what is filled in is not filled in itself', () => expect(fillTemplate('$chunk', { chunk: '$title $& $1' })).toBe('$title $& $1'))

test('the names of a template are told once each', () => expect(templateNames('$a ${b} $a $$c $chunk')).toEqual(['a', 'b', 'chunk']))

test.each([
  [null, 'text', 'None'],
  ['t', 'boolean', 'True'],
  ['false', 'boolean', 'False'],
  ['2024-01-02 03:04:05+00', 'timestamp with time zone', '2024-01-02 03:04:05+00:00'],
  ['2024-01-02 03:04:05+05:30', 'timestamp with time zone', '2024-01-02 03:04:05+05:30'],
  ['5', 'integer', '5'],
])('%j of type %s is %j in Python', (text, type, expected) => expect(pythonText(text, type)).toBe(expected))
