import { WindlassError } from '../../../base/errors.ts'

/** What a pickle holds, as far as we read it. */
export type Pickled = string | number | boolean | null | Pickled[] | Map<Pickled, Pickled>

const mark = Symbol('mark')

/**
 * Reads a pickle of plain data: dicts, lists, texts, numbers. Nothing in it is executed: opcodes that build objects are refused.
 * Opcodes as CPython's pickletools documents them.
 * @throws {WindlassError} `corrupt` for anything else.
 */
export function readPickle(bytes: Uint8Array, name: string): Pickled {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const stack: (Pickled | typeof mark)[] = []
  const memo: Pickled[] = []
  let at = 0
  const fail = (what: string): never => {
    throw new WindlassError('corrupt', `${name}: ${what} at byte ${at}, expected a pickle of plain data`)
  }
  const take = (size: number) => {
    if (at + size > bytes.length) fail('it ends')
    at += size
    return at - size
  }
  const pop = (): Pickled => {
    const value = stack.pop()
    return value === undefined || value === mark ? fail('the stack is empty') : value
  }
  const popToMark = (): Pickled[] => {
    const start = stack.lastIndexOf(mark)
    if (start < 0) fail('no mark')
    return (stack.splice(start) as Pickled[]).slice(1)
  }
  const text = (size: number) => new TextDecoder().decode(bytes.subarray(take(size), at))
  const put = (pairs: Pickled[]) => {
    const target = stack.at(-1)
    if (!(target instanceof Map)) return fail('no dict')
    for (let i = 0; i + 1 < pairs.length; i += 2) target.set(pairs[i]!, pairs[i + 1]!)
  }
  const append = (items: Pickled[]) => {
    const target = stack.at(-1)
    if (!Array.isArray(target)) return fail('no list')
    for (const item of items) target.push(item)
  }
  const opcodes: Record<string, () => unknown> = {
    '\x80': () => take(1),
    '\x95': () => take(8),
    '}': () => stack.push(new Map()),
    ']': () => stack.push([]),
    ')': () => stack.push([]),
    '(': () => stack.push(mark),
    N: () => stack.push(null),
    '\x88': () => stack.push(true),
    '\x89': () => stack.push(false),
    J: () => stack.push(view.getInt32(take(4), true)),
    K: () => stack.push(view.getUint8(take(1))),
    M: () => stack.push(view.getUint16(take(2), true)),
    G: () => stack.push(view.getFloat64(take(8), false)),
    '\x8a': () => stack.push(readLong(bytes.subarray(take(view.getUint8(take(1))), at))),
    X: () => stack.push(text(view.getUint32(take(4), true))),
    '\x8c': () => stack.push(text(view.getUint8(take(1)))),
    '\x8d': () => stack.push(text(Number(view.getBigUint64(take(8), true)))),
    s: () => put([pop(), pop()].reverse()),
    u: () => put(popToMark()),
    a: () => append([pop()]),
    e: () => append(popToMark()),
    t: () => stack.push(popToMark()),
    q: () => void (memo[view.getUint8(take(1))] = top()),
    r: () => void (memo[view.getUint32(take(4), true)] = top()),
    '\x94': () => memo.push(top()),
    h: () => stack.push(memo[view.getUint8(take(1))] ?? fail('nothing remembered')),
    j: () => stack.push(memo[view.getUint32(take(4), true)] ?? fail('nothing remembered')),
  }
  const top = (): Pickled => {
    const value = stack.at(-1)
    return value === undefined || value === mark ? fail('the stack is empty') : value
  }
  for (;;) {
    const opcode = String.fromCharCode(bytes[take(1)]!)
    if (opcode === '.') return pop()
    const run = opcodes[opcode]
    if (!run) fail(`opcode ${JSON.stringify(opcode)}`)
    else run()
  }
}

/** Two's complement, little-endian. */
function readLong(bytes: Uint8Array): number {
  let value = 0n
  bytes.forEach((byte, i) => (value |= BigInt(byte) << BigInt(8 * i)))
  return Number(BigInt.asIntN(8 * bytes.length, value))
}
