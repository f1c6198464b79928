import { expect, test } from 'vitest'
import { findViolation, type Operation } from './register-history.ts'

const write = (value: string, start: number, end: number): Operation => ({ kind: 'write', value, start, end })
const read = (value: string | null, start: number, end: number): Operation => ({ kind: 'read', value, start, end })

test.each([
  ['nothing', []],
  ['one after another', [write('a', 0, 1), read('a', 2, 3), write('b', 4, 5), read('b', 6, 7)]],
  ['a read beside a write sees either', [write('a', 0, 1), write('b', 2, 5), read('a', 3, 4), read('b', 4.2, 6)]],
  ['two writes beside each other, in either order', [write('a', 0, 4), write('b', 1, 3), read('b', 3.5, 3.9), read('a', 5, 6)]],
  ['the start, before anything was written', [read(null, 0, 1), write('a', 2, 3), read('a', 4, 5)]],
  ['a write without an answer that took effect late', [write('a', 0, Infinity), write('b', 1, 2), read('b', 3, 4), read('a', 5, 6)]],
  ['a write without an answer that nobody saw', [write('a', 0, Infinity), write('b', 1, 2), read('b', 3, 4), read('b', 9, 10)]],
])('linearizable: %s', (_, history) => expect(findViolation(history)).toBeNull())

test.each([
  ['a stale read', [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]],
  ['a read that goes back', [write('a', 0, 1), write('b', 2, 9), read('b', 3, 4), read('a', 5, 6)]],
  ['an acknowledged write that is lost', [write('a', 0, 1), read(null, 2, 3)]],
  ['a value out of the future', [read('a', 0, 1), write('a', 2, 3)]],
  ['a value that nobody wrote', [read('x', 0, 1)]],
  ['a write that vanished between reads', [write('a', 0, 1), read('a', 2, 3), write('b', 4, 5), read('a', 6, 7), read('b', 8, 9)]],
  ['a write without an answer that comes and goes', [write('a', 0, 1), write('b', 2, Infinity), read('b', 3, 4), read('a', 5, 6), read('b', 7, 8)]],
])('not linearizable: %s', (_, history) => expect(findViolation(history)).not.toBeNull())
