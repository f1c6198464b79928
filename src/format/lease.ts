import { fromUtf8, toUtf8 } from '../base/bytes.ts'

/** Who does maintenance now. It saves double work; nothing is wrong when two hold it. */
export interface Lease {
  /** Fresh for every put, so no two puts have equal bytes and no ETag comes back. */
  readonly nonce: string
  readonly state: 'held' | 'free'
  /** How long the holder may be silent before others take over. */
  readonly durationMs: number
}

/** Key of the lease below the collection's prefix. */
export const leaseKey = 'lease'

/** One line of JSON. */
export function encodeLease(lease: Lease): Uint8Array {
  return toUtf8(JSON.stringify({ formatVersion: 1, ...lease }))
}

/** The lease of an object's bytes; what cannot be understood is held by somebody for as long as we would. */
export function decodeLease(bytes: Uint8Array, durationMs: number): Lease {
  try {
    const { nonce, state, durationMs: stated } = JSON.parse(fromUtf8(bytes)) as Record<string, unknown>
    if (typeof nonce === 'string' && (state === 'held' || state === 'free') && typeof stated === 'number' && stated >= 0) {
      return { nonce, state, durationMs: stated }
    }
  } catch {
    // Not JSON, or not an object: as below.
  }
  return { nonce: '', state: 'held', durationMs }
}
