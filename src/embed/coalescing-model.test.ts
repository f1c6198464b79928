import { expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { WindlassError } from '../base/errors.ts'
import { CoalescingModel } from './coalescing-model.ts'
import type { EmbeddingModel } from './embedding-model.ts'

/** Vectors that tell the text's length; refuses texts named bad. */
class LengthModel implements EmbeddingModel {
  readonly name = 'length'
  readonly dimension = 1
  readonly tokensMax = undefined
  readonly calls: string[][] = []
  embed(texts: readonly string[]): Promise<Float32Array[]> {
    this.calls.push([...texts])
    if (texts.includes('bad')) return Promise.reject(new WindlassError('invalid', 'bad text'))
    return Promise.resolve(texts.map((text) => Float32Array.of(text.length)))
  }
  countTokens(text: string): number {
    return text.length
  }
}

const open = () => {
  const inner = new LengthModel()
  return { inner, model: new CoalescingModel(inner, { clock: systemClock }) }
}

test('calls made together go out as one, each with its own answer', async () => {
  const { inner, model } = open()
  const answers = await Promise.all([model.embed(['a', 'bb']), model.embed([]), model.embed(['ccc'])])
  expect(answers.map((vectors) => vectors.map(([value]) => value))).toEqual([[1, 2], [], [3]])
  expect(inner.calls).toEqual([['a', 'bb', 'ccc']])
  await model.embed(['later'])
  expect(inner.calls).toHaveLength(2)
})

test('a bad text fails only the call that brought it', async () => {
  const { model } = open()
  const [good, bad, other] = await Promise.allSettled([model.embed(['a']), model.embed(['bad']), model.embed(['ccc'])])
  expect([good!.status, bad!.status, other!.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})

test('a call that is cancelled ends at once, the others go on', async () => {
  const { model } = open()
  const stop = new AbortController()
  const one = model.embed(['a'], { signal: stop.signal })
  const two = model.embed(['bb'])
  stop.abort()
  await expect(one).rejects.toMatchObject({ kind: 'cancelled' })
  expect((await two)[0]![0]).toBe(2)
})
