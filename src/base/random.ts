/** The only way to chance: injected, so that the simulation can own it. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** `count` bytes; unpredictable in `systemRandom`. */
  bytes(count: number): Uint8Array
}

/**
 * The platform's cryptographic generator.
 * Reads fresh bytes for every call: a cached pool would repeat itself in a process that was cloned or thawed.
 */
export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
}

/** Repeatable numbers for tests: mulberry32 by Tommy Ettinger (public domain). Never for nonces. */
export function seededRandom(seed: number): Random {
  let state = seed | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return { next, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)) }
}

// Crockford's base 32: no letter that reads as another.
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/**
 * A new id: 48 bits of time, then 80 random bits, in 26 lower-case characters (the ULID layout).
 * Sorts by time of creation; ids are never reused.
 */
export function newId(nowMs: number, random: Random): string {
  let time = ''
  for (let rest = nowMs, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) time = alphabet[rest % 32] + time
  const bytes = random.bytes(16)
  return time + Array.from(bytes, (byte) => alphabet[byte % 32]).join('')
}

/** A fresh 128-bit nonce in hex: tells one commit from every other. */
export function newNonce(random: Random): string {
  return Array.from(random.bytes(16), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The time of an id of `newId`, milliseconds since 1970. */
export function timeOfId(id: string): number {
  return [...id.slice(0, 10)].reduce((time, letter) => time * 32 + alphabet.indexOf(letter), 0)
}
