/** One operation on one key: a write of a value that nobody else writes, or a read of the value found (null: nothing yet). */
export interface Operation {
  readonly kind: 'write' | 'read'
  readonly value: string | null
  /** When it was sent and answered, by one clock. A write without an answer may take effect at any later time: Infinity. */
  readonly start: number
  readonly end: number
}

interface Zone {
  readonly value: string | null
  /** First answer and last start among the operations on the value. */
  readonly firstEnd: number
  readonly lastStart: number
}

/**
 * Whether a history of one register is linearizable. Values are unique, so every read names its write, and it is enough to compare
 * zones of values (Gibbons & Korach 1997, "Testing Shared Memories", section 4): no two forward zones may overlap, and no
 * backward zone may lie inside a forward one.
 * @returns What is wrong; null when nothing is.
 */
export function findViolation(history: readonly Operation[]): string | null {
  const byValue = new Map<string | null, { write: Operation | null; reads: Operation[] }>([[null, { write: { kind: 'write', value: null, start: -Infinity, end: -Infinity }, reads: [] }]])
  for (const operation of history) {
    if (operation.kind === 'read') continue
    if (byValue.has(operation.value)) return `${operation.value} was written twice by the clients`
    byValue.set(operation.value, { write: operation, reads: [] })
  }
  for (const operation of history) {
    if (operation.kind === 'write') continue
    const entry = byValue.get(operation.value)
    if (!entry) return `${operation.value} was read and never written`
    if (operation.end < entry.write!.start) return `${operation.value} was read before its write began`
    entry.reads.push(operation)
  }
  const zones: Zone[] = []
  for (const [value, { write, reads }] of byValue) {
    // A write without an answer that nobody saw need never have happened.
    if (write!.end === Infinity && reads.length === 0) continue
    const operations = [write!, ...reads]
    zones.push({ value, firstEnd: Math.min(...operations.map(({ end }) => end)), lastStart: Math.max(...operations.map(({ start }) => start)) })
  }
  const forward = zones.filter(({ firstEnd, lastStart }) => firstEnd < lastStart).sort((a, b) => a.firstEnd - b.firstEnd)
  for (let i = 1; i < forward.length; i++) {
    if (forward[i]!.firstEnd < forward[i - 1]!.lastStart) return `${forward[i - 1]!.value} was current until ${forward[i - 1]!.lastStart}, ${forward[i]!.value} from ${forward[i]!.firstEnd}`
  }
  for (const zone of zones) {
    if (zone.firstEnd < zone.lastStart) continue
    const around = forward.find(({ firstEnd, lastStart }) => firstEnd < zone.lastStart && zone.firstEnd < lastStart)
    if (around) return `${zone.value} took effect between ${zone.lastStart} and ${zone.firstEnd}, while ${around.value} was current`
  }
  return null
}
