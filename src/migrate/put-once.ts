import { isWindlassError } from '../base/errors.ts'
import type { ObjectStore, PutCondition } from '../store/object-store.ts'

const attemptsMax = 5

/**
 * Puts under a condition, and sees through answers that were lost on the way: the object is read, and may be what we wrote.
 * @returns whether it is there as given; false where the condition does not hold.
 */
export async function putOnce(store: ObjectStore, key: string, bytes: Uint8Array, condition: PutCondition): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      await store.put(key, bytes, { condition })
      return true
    } catch (error) {
      if (!isWindlassError(error, 'conflict', 'outcome-unknown')) throw error
      const found = await store.get(key, { fresh: true })
      if (found.kind === 'found' && isEqual(found.bytes, bytes)) return true
      if (isWindlassError(error, 'conflict')) return false
      // Without an answer, and not there: another attempt cannot meet its own success. One that is still on its way meets the condition.
      if (attempt === attemptsMax) throw error
    }
  }
}

export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
