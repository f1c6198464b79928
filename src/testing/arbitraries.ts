// Arbitrary content for property tests. Structural on purpose: this folder knows the store and base, not the formats.
import fc from 'fast-check'

/** As `fc.record`, but plain objects only: those without prototype compare unequal to what a decoder makes. */
export function record<Model extends object>(model: {
  [Name in keyof Model]: fc.Arbitrary<Model[Name]>
}): fc.Arbitrary<Model> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<Model>
}

/** Text that UTF-8 can hold: empty, ASCII, accents, astral characters, names that are traps in JavaScript. */
export const arbitraryText = (sizeMax = 20): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: sizeMax }) },
    { weight: 4, arbitrary: fc.string({ maxLength: sizeMax }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '__proto__',
        'constructor',
        'toString',
        'hasOwnProperty',
        '',
        '\uffff',
        '😀',
        '\ufeff',
      ),
    },
  )

/** A float32 that is finite, as vectors hold. */
export const arbitraryFloat32: fc.Arbitrary<number> = fc.float({ noNaN: true, noDefaultInfinity: true })

/** A vector of exactly `dimension` values. */
export const arbitraryVector = (dimension: number): fc.Arbitrary<Float32Array> =>
  fc.float32Array({ minLength: dimension, maxLength: dimension, noNaN: true, noDefaultInfinity: true })

/** Any metadata value: float64 and int64 side by side, lists, objects, to a few levels. */
export type ArbitraryValue =
  string | number | bigint | boolean | null | ArbitraryValue[] | { [key: string]: ArbitraryValue }

const scalar: fc.Arbitrary<ArbitraryValue> = fc.oneof(
  arbitraryText(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
  fc.integer(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -200n, max: 200n }),
  fc.boolean(),
  fc.constant(null),
)

const { value: nested } = fc.letrec<{ value: ArbitraryValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(arbitraryText(), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}))

/** Metadata of a record. */
export const arbitraryMetadata: fc.Arbitrary<{ [key: string]: ArbitraryValue }> = fc.dictionary(
  arbitraryText(),
  nested,
  { maxKeys: 6, noNullPrototype: true },
)

/** A key of a record: 1 to some dozens of bytes. */
export const arbitraryKey: fc.Arbitrary<string> = arbitraryText().filter((key) => key !== '')

/** Which space, records more often than documents. */
export const arbitrarySpace: fc.Arbitrary<'records' | 'documents'> = fc.constantFrom(
  'records',
  'records',
  'records',
  'documents',
)

/** A row's content without when it came. `dimension` 0: no row has a vector. */
export const arbitraryContent = (dimension: number) =>
  record({
    space: arbitrarySpace,
    key: arbitraryKey,
    vector: dimension === 0 ? fc.constant(null) : fc.option(arbitraryVector(dimension), { freq: 4 }),
    metadata: arbitraryMetadata,
    document: fc.option(arbitraryText(60)),
  })

const arbitraryContentOfAnyDimension = fc.nat(5).chain((dimension) => arbitraryContent(dimension))

/** Up to `countMax` live rows of one collection: keys differ within a space, sorted by birth, changed no earlier than born. */
export const arbitraryRows = (dimension: number, countMax = 12) =>
  fc
    .uniqueArray(fc.tuple(arbitraryContent(dimension), fc.nat(3), fc.nat(3), fc.nat(1000)), {
      maxLength: countMax,
      selector: ([{ space, key }]) => `${space} ${key}`,
    })
    .map((drawn) => {
      let seq = 1
      let ordinal = -1
      return drawn.map(([content, seqGap, ordinalGap, age]) => {
        ordinal = seqGap > 0 ? ordinalGap : ordinal + 1 + ordinalGap
        seq += seqGap
        return {
          ...content,
          born: { seq, ordinal },
          changed: age === 0 ? { seq, ordinal } : { seq: seq + age, ordinal: age },
        }
      })
    })

/** A nonce as the engine makes them. */
export const arbitraryNonce: fc.Arbitrary<string> = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(''))

/** An id, which may be part of an object's key. */
export const arbitraryId: fc.Arbitrary<string> = fc.stringMatching(/^[0-9a-z]{1,26}$/)

/** A collection's schema. */
export const arbitrarySchema = record({
  dimension: fc.option(fc.integer({ min: 1, max: 4096 })),
  metric: fc.constantFrom('cosine' as const, 'dot' as const, 'euclidean' as const),
  embeddingModel: fc.option(arbitraryText()),
  textFields: fc.array(record({ field: arbitraryText(), analyzer: arbitraryText() }), { maxLength: 3 }),
  nonFilterableKeys: fc.array(arbitraryText(), { maxLength: 3 }),
  custom: fc.dictionary(arbitraryText(), fc.constantFrom(null, 1, 'x', true, [1, { a: [] }]), {
    maxKeys: 3,
    noNullPrototype: true,
  }),
})

/** The effects of one commit, number `seq`: some keys new, some written before, some deleted. */
export const arbitraryEffects = (seq: number, countMax = 8) =>
  fc
    .array(
      fc.tuple(arbitraryContentOfAnyDimension, fc.constantFrom('new', 'update', 'delete'), fc.nat(), fc.nat(100)),
      { maxLength: countMax },
    )
    .map((drawn) =>
      drawn.map(([content, action, bornSeq, bornOrdinal], ordinal) => {
        if (action === 'delete') return { kind: 'delete' as const, space: content.space, key: content.key }
        const isNew = action === 'new' || seq === 1
        const born = isNew ? { seq, ordinal } : { seq: 1 + (bornSeq % (seq - 1)), ordinal: bornOrdinal }
        return { kind: 'put' as const, ...content, born }
      }),
    )
