import { expect, test } from 'vitest'
import type { Entry, Outcome, Request } from './journal.ts'
import { checkLinearizability } from './linearizability.ts'

function entry(id: number, beganAt: number, endedAt: number | null, request: Request, outcome: Outcome | null): Entry {
  return { id, process: 'p', request, collectionId: 'c', beganAt, endedAt, existingAtEnd: 0, beganMs: 0, endedMs: 0, isSteady: true, outcome }
}

function put(id: number, beganAt: number, endedAt: number | null, op: number): Entry {
  const batch = { operations: [{ op: 'put' as const, row: { key: 'k', metadata: { op, group: 'a' } } }] }
  const outcome: Outcome | null = endedAt === null ? null : { kind: 'wrote', result: { seq: op, putCount: 1, deletedCount: 0, skippedCount: 0 } }
  return entry(id, beganAt, endedAt, { kind: 'write', batch, mustWork: false }, outcome)
}

function get(id: number, beganAt: number, endedAt: number, op: number | null): Entry {
  return entry(id, beganAt, endedAt, { kind: 'get', keys: ['k'] }, { kind: 'rows', rows: [op === null ? null : `k@${op}.0=${op}//a`] })
}

test('calls one after the other: a read shows the last write', () => {
  expect(checkLinearizability([put(0, 0, 1, 1), put(1, 2, 3, 2), get(2, 4, 5, 2)], 'c')).toEqual([])
  expect(checkLinearizability([put(0, 0, 1, 1), put(1, 2, 3, 2), get(2, 4, 5, 1)], 'c')).toHaveLength(1)
  expect(checkLinearizability([put(0, 0, 1, 1), get(1, 2, 3, null)], 'c')).toHaveLength(1)
})

test('calls at the same time: either order, but one for all readers', () => {
  expect(checkLinearizability([put(0, 0, 9, 1), put(1, 1, 8, 2), get(2, 10, 11, 1)], 'c')).toEqual([])
  expect(checkLinearizability([put(0, 0, 9, 1), put(1, 1, 8, 2), get(2, 10, 11, 1), get(3, 12, 13, 2)], 'c')).toHaveLength(1)
  expect(checkLinearizability([put(0, 0, 9, 1), get(1, 1, 2, 1), get(2, 3, 4, null)], 'c')).toHaveLength(1)
})

test('a write without an answer happened once, later, or never', () => {
  expect(checkLinearizability([put(0, 0, 1, 1), put(1, 2, null, 2), get(2, 3, 4, 1), get(3, 5, 6, 2)], 'c')).toEqual([])
  expect(checkLinearizability([put(0, 0, 1, 1), put(1, 2, null, 2), get(2, 3, 4, 1)], 'c')).toEqual([])
  expect(checkLinearizability([put(0, 0, 1, 1), put(1, 2, null, 2), get(2, 3, 4, 2), get(3, 5, 6, 1)], 'c')).toHaveLength(1)
})
