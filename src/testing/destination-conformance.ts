import { strict as assert } from 'node:assert'
import { sha256Hex, toUtf8 } from '../base/bytes.ts'
import { isWindlassError, type ErrorKind } from '../base/errors.ts'
import type { ChunkDestination, Destination, DocumentVersion, EmbeddedChunk, HeldDocument, Reference } from '../vectorize/destinations/destination.ts'

type TestFunction = (name: string, run: () => Promise<void>) => void

/** What a destination may do without, each with the reason it cannot. */
export interface DestinationConformanceOptions {
  readonly skip?: Readonly<Record<string, string>>
}

/** A place that is empty at first, and how tests look into it. */
export interface DestinationPlace {
  /** A destination of this place: each call as from another process. Not yet prepared. */
  open(vectorizer?: string): Promise<Destination>
  /** What a search can find of a path now: of a destination of chunks their texts in order, of one of files each version's whole text. */
  contents(path: string): Promise<readonly string[]>
  /** From now on the answer of every third request that changes something is lost after its effect; absent where nothing is between. */
  loseAnswers?(): void
  close?(): Promise<void>
}

/** Vectors have this dimension; `prepare` is called with it, and with `conformanceModel`. */
export const conformanceDimension = 8
export const conformanceModel = 'conformance'

type Declare = (name: string, run: (scene: Scene) => Promise<void>) => void

/**
 * The promises every `Destination` keeps, of either kind. Runner-agnostic, so that destinations in other repositories can use it.
 * @param start A new and empty place for each test.
 */
export function testDestination(test: TestFunction, start: () => Promise<DestinationPlace>, { skip = {} }: DestinationConformanceOptions = {}): void {
  const promise: Declare = (name, run) => {
    if (name in skip) return
    test(name, async () => {
      const place = await start()
      try {
        await run(new Scene(place, await openPrepared(place)))
      } finally {
        await place.close?.()
      }
    })
  }
  testPutting(promise)
  testReplacing(promise)
  testRemoving(promise)
  testFailing(promise)
  testNames(promise)
  testMany(promise)
  testVectors(promise)
}

function testPutting(promise: Declare): void {
  promise('what is put is found, and listed with its reference', async (scene) => {
    const reference = await scene.put('guide/a.md', ['first part', 'second part'])
    await scene.put('b.md', ['other'])
    await scene.finds('guide/a.md', ['first part', 'second part'])
    const held = await scene.list()
    assert.deepEqual([...held.keys()].sort(), ['b.md', 'guide/a.md'])
    assert.deepEqual(held.get('guide/a.md')!.reference, reference)
    const { sha256 } = held.get('guide/a.md')!
    if (sha256 !== undefined) assert.equal(sha256, (await version('guide/a.md', ['first part', 'second part'])).document.sha256)
  })

  promise('another process finds, replaces and removes what this one put', async (scene) => {
    const reference = await scene.put('a.md', ['one'])
    const other = new Scene(scene.place, await openPrepared(scene.place))
    assert.deepEqual([...(await other.list()).keys()], ['a.md'])
    const second = await other.put('a.md', ['two'], reference)
    await scene.finds('a.md', ['two'])
    await scene.destination.remove('a.md', second)
    assert.equal((await other.list()).size, 0)
  })

  promise('prepare may be called again', async ({ destination }) => {
    await prepare(destination)
    await prepare(destination)
  })

  promise('two vectorizers in one place do not list or remove what is not theirs', async (scene) => {
    await scene.put('mine.md', ['mine'])
    const other = new Scene(scene.place, await openPrepared(scene.place, 'other'))
    await other.put('theirs.md', ['theirs'])
    assert.deepEqual([...(await scene.list()).keys()], ['mine.md'])
    assert.deepEqual([...(await other.list()).keys()], ['theirs.md'])
    await scene.destination.remove('theirs.md', null)
    await scene.finds('theirs.md', ['theirs'])
  })
}

function testReplacing(promise: Declare): void {
  promise('a replacement leaves nothing of what it replaces', async (scene) => {
    let reference = await scene.put('a.md', ['one', 'two', 'three', 'four'])
    for (const parts of [['one', 'new'], ['longer now', 'one', 'two', 'three', 'four', 'five'], ['x']]) {
      reference = await scene.put('a.md', parts, reference)
      await scene.finds('a.md', parts)
    }
    assert.equal((await scene.list()).size, 1)
  })

  promise('versions are never mixed, and one of them is always found', async (scene) => {
    const partsOf = (n: number) => Array.from({ length: 2 + (n % 3) }, (_, i) => `version ${n} part ${i}`)
    const wholes = Array.from({ length: 6 }, (_, n) => partsOf(n))
    let reference = await scene.put('a.md', partsOf(0))
    let isDone = false
    const watch = async () => {
      while (!isDone) {
        // Timers and sockets have their turn, also where everything is in memory.
        await new Promise((resolve) => setImmediate(resolve))
        const found = await scene.place.contents('a.md')
        assert.ok(found.length > 0, 'nothing was found while it was replaced')
        if (scene.destination.takes === 'chunks') assert.ok(wholes.some((parts) => same(parts, found)), `found a mixture: ${found.join(' | ')}`)
        else for (const text of found) assert.ok(wholes.some((parts) => join(parts) === text), `found a part: ${text}`)
      }
    }
    const watched = watch()
    try {
      for (let n = 1; n < wholes.length; n++) reference = await scene.put('a.md', partsOf(n), reference)
    } finally {
      isDone = true
    }
    await watched
    await scene.finds('a.md', partsOf(5))
  })

  promise('rename moves it without its content being sent', async (scene) => {
    const { destination } = scene
    if (destination.takes !== 'files' || !destination.rename) return
    const reference = await scene.put('old/a.md', ['text'])
    const { document } = await version('new/b.md', ['text'])
    const renamed = await destination.rename(document, reference)
    assert.deepEqual([...(await scene.list()).keys()], ['new/b.md'])
    assert.deepEqual((await scene.list()).get('new/b.md')!.reference, renamed)
    await scene.finds('new/b.md', ['text'])
    await scene.put('new/b.md', ['other text'], renamed)
    await scene.finds('new/b.md', ['other text'])
    assert.equal((await scene.list()).size, 1)
  })
}

function testRemoving(promise: Declare): void {
  promise('what is removed is found and listed no more, and only that', async (scene) => {
    const reference = await scene.put('a.md', ['a'])
    await scene.put('ab.md', ['ab'])
    await scene.destination.remove('a.md', reference)
    await scene.finds('a.md', [])
    await scene.finds('ab.md', ['ab'])
    assert.deepEqual([...(await scene.list()).keys()], ['ab.md'])
  })

  promise('removing what is not there, or no more, is as good', async (scene) => {
    const reference = await scene.put('a.md', ['a'])
    await scene.destination.remove('never.md', null)
    await scene.destination.remove('a.md', reference)
    await scene.destination.remove('a.md', reference)
    await scene.destination.remove('a.md', null)
    assert.equal((await scene.list()).size, 0)
  })

  promise('what is removed without a reference is looked for by its path', async (scene) => {
    await scene.put('a.md', ['a'])
    await scene.put('b.md', ['b'])
    await scene.destination.remove('a.md', null)
    await scene.finds('a.md', [])
    await scene.finds('b.md', ['b'])
    await scene.put('a.md', ['again'])
    await scene.destination.remove('a.md', null)
    await scene.finds('a.md', [])
  })

  promise('what is removed can be put again', async (scene) => {
    const reference = await scene.put('a.md', ['a'])
    await scene.destination.remove('a.md', reference)
    await scene.put('a.md', ['a'])
    await scene.finds('a.md', ['a'])
  })

  promise('what a reference names may be gone when it is replaced', async (scene) => {
    const reference = await scene.put('a.md', ['a'])
    await (await openPrepared(scene.place)).remove('a.md', reference)
    await scene.put('a.md', ['b'], reference)
    await scene.finds('a.md', ['b'])
    assert.equal((await scene.list()).size, 1)
  })
}

function testFailing(promise: Declare): void {
  promise('a version that fails half-way leaves the old one, and nothing of itself', async (scene) => {
    const { destination } = scene
    const reference = await scene.put('a.md', ['old', 'text'])
    const { document, chunks } = await version('a.md', ['new', 'and', 'longer', 'text'])
    if (destination.takes === 'chunks') {
      const writer = await destination.begin(document, reference)
      await writer.write(chunks.slice(0, 3))
      await scene.finds('a.md', ['old', 'text'])
      await writer.abort()
    } else {
      const broken = () => failing('the source broke')
      await assert.rejects(destination.replace(document, broken, reference), /the source broke/)
    }
    await scene.finds('a.md', ['old', 'text'])
    assert.deepEqual([...(await scene.list()).values()].map((held) => held.reference), [reference])
    await scene.put('a.md', ['new'], reference)
    await scene.finds('a.md', ['new'])
  })

  promise('an aborted signal stops with cancelled, and leaves the old one', async (scene) => {
    const { destination } = scene
    if (destination.takes !== 'files') return
    const reference = await scene.put('a.md', ['old'])
    const { document, bytes } = await version('a.md', ['new'])
    await rejects(destination.replace(document, () => once(bytes), reference, { signal: AbortSignal.abort() }), 'cancelled')
    await scene.finds('a.md', ['old'])
    assert.equal((await scene.list()).size, 1)
  })

  promise('a put whose reference was lost is put right by what the list shows', async (scene) => {
    await scene.put('a.md', ['first'])
    const reference = await scene.put('a.md', ['second'])
    for (const held of await scene.listAll()) if (!same(held.reference, reference)) await scene.destination.remove(held.path, held.reference)
    await scene.finds('a.md', ['second'])
    assert.equal((await scene.list()).size, 1)
  })

  promise('answers that are lost after their effect change nothing in the end', async (scene) => {
    if (!scene.place.loseAnswers) return
    scene.place.loseAnswers()
    const references = new Map<string, Reference>()
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        Array.from({ length: 4 }, async (_, i) => {
          references.set(`${i}.md`, await scene.put(`${i}.md`, [`text ${i}`, `round ${round}`], references.get(`${i}.md`) ?? null))
        }),
      )
    }
    await scene.destination.remove('0.md', references.get('0.md')!)
    assert.deepEqual([...(await scene.list()).keys()].sort(), ['1.md', '2.md', '3.md'])
    assert.equal((await scene.listAll()).length, 3)
    for (let i = 1; i < 4; i++) await scene.finds(`${i}.md`, [`text ${i}`, 'round 2'])
  })
}

function testNames(promise: Declare): void {
  promise('paths come back as they were', async (scene) => {
    const paths = ['with space.md', 'ünïcode/עברית/文.md', 'emoji 🎉.md', 'a+b&c=d?e#f%20.md', 'UPPER.md', 'upper.md', 'no extension', '.hidden', "quote'\".md", `${'deep/'.repeat(150)}end.md`, `${'é'.repeat(500)}.md`, `${'🎉'.repeat(250)}.md`, 'https://example.com/page?x=1&y=2#z']
    const references = new Map<string, Reference>()
    for (const path of paths) references.set(path, await scene.put(path, [`text of ${path.slice(0, 20)}`, String(paths.indexOf(path))]))
    assert.deepEqual([...(await scene.list()).keys()].sort(), [...paths].sort())
    for (const path of paths) await scene.finds(path, [`text of ${path.slice(0, 20)}`, String(paths.indexOf(path))])
    for (const path of paths) await scene.destination.remove(path, references.get(path)!)
    assert.equal((await scene.listAll()).length, 0)
  })

  promise('a longer path is kept whole, or refused', async (scene) => {
    const path = `${'🎉'.repeat(400)}.md`
    const refused = await scene.put(path, ['text']).then(
      () => false,
      (error: unknown) => isWindlassError(error, 'too-large', 'invalid'),
    )
    assert.deepEqual([...(await scene.list()).keys()], refused ? [] : [path])
  })

  promise('metadata of any size and kind is taken', async (scene) => {
    const metadata = {
      ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`key ${i}`, `value ${i}`])),
      ['long key '.repeat(20)]: 'x',
      long: 'é🎉'.repeat(2000),
      nothing: null,
      number: 1.5,
      whole: 12n,
      yes: true,
      list: ['a', 'b'],
      nested: { a: { b: ['c'] } },
      path: 'not the path',
      windlass: 'not the name',
      sha256: 'not the sum',
    }
    await scene.put('a.md', ['text'], null, { metadata, title: 'a title '.repeat(200) })
    await scene.finds('a.md', ['text'])
    assert.deepEqual([...(await scene.list()).keys()], ['a.md'])
  })
}

function testMany(promise: Declare): void {
  promise('eight at once: each document is there once', async (scene) => {
    const paths = Array.from({ length: 40 }, (_, i) => `folder ${i % 7}/${i}.md`)
    const references = new Map<string, Reference>()
    const putAll = (text: string) =>
      eightAtOnce(paths, async (path) => {
        references.set(path, await scene.put(path, [text, path], references.get(path) ?? null))
      })
    await putAll('first')
    await putAll('second')
    const held = await scene.listAll()
    assert.deepEqual(held.map(({ path }) => path).sort(), [...paths].sort())
    for (const { path, reference } of held) assert.deepEqual(reference, references.get(path))
    for (const path of paths) await scene.finds(path, ['second', path])
    await eightAtOnce(paths, (path) => scene.destination.remove(path, references.get(path)!))
    assert.equal((await scene.listAll()).length, 0)
  })

  promise('a document of 1,200 parts', async (scene) => {
    const parts = Array.from({ length: 1200 }, (_, i) => `part ${i}`)
    const reference = await scene.put('big.md', parts)
    await scene.finds('big.md', parts)
    await scene.put('big.md', ['small'], reference)
    await scene.finds('big.md', ['small'])
  })
}

function testVectors(promise: Declare): void {
  const promiseOfChunks = (name: string, run: (scene: Scene, destination: ChunkDestination) => Promise<void>) =>
    promise(name, async (scene) => {
      if (scene.destination.takes === 'chunks') await run(scene, scene.destination)
    })

  promiseOfChunks('prepare refuses vectors of another dimension', async (scene) => {
    await scene.put('a.md', ['a'])
    const other = (await scene.place.open()) as ChunkDestination
    await rejects(other.prepare({ dimension: conformanceDimension + 1, model: conformanceModel }), 'invalid')
  })

  promiseOfChunks('vectors are given back exactly, and none for what is not there', async (scene, destination) => {
    const { chunks } = await version('a.md', ['one', 'two', 'three'])
    const reference = await scene.put('a.md', ['one', 'two', 'three'])
    const places = chunks.map(({ chunk, hash }) => ({ index: chunk.index, hash }))
    assert.deepEqual(await destination.vectors('a.md', reference, places), chunks.map(({ vector }) => vector))
    assert.deepEqual(await destination.vectors('a.md', reference, [places[2]!, places[0]!]), [chunks[2]!.vector, chunks[0]!.vector])
    assert.deepEqual(await destination.vectors('a.md', reference, [{ index: 3, hash: places[0]!.hash }, { index: 0, hash: '0'.repeat(16) }, places[1]!]), [null, null, chunks[1]!.vector])
    assert.deepEqual(await destination.vectors('b.md', null, places), [null, null, null])
  })

  promiseOfChunks('a document without text takes the old text away', async (scene) => {
    const reference = await scene.put('a.md', ['a'])
    const empty = await scene.put('a.md', [], reference)
    await scene.finds('a.md', [])
    await scene.put('a.md', ['b'], empty)
    await scene.finds('a.md', ['b'])
  })

  promiseOfChunks('of two versions written at once, one whole one remains', async (scene, destination) => {
    const reference = await scene.put('a.md', ['old'])
    const versions = await Promise.all([version('a.md', ['left', 'first']), version('a.md', ['right', 'second', 'third'])])
    const writers = await Promise.all(versions.map(({ document }) => destination.begin(document, reference)))
    await Promise.all(writers.map((writer, i) => writer.write(versions[i]!.chunks)))
    const outcomes = await Promise.allSettled(writers.map((writer) => writer.commit()))
    for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(isWindlassError(outcome.reason, 'conflict'), String(outcome.reason))
    const found = await scene.place.contents('a.md')
    assert.ok(versions.some(({ chunks }) => same(chunks.map(({ text }) => text), found)), `found ${found.join(' | ')}`)
  })
}

/** A place with one prepared destination of it. */
class Scene {
  readonly place: DestinationPlace
  readonly destination: Destination

  constructor(place: DestinationPlace, destination: Destination) {
    this.place = place
    this.destination = destination
  }

  /** Stores a version whose chunks are `parts`, and whose bytes are these joined. */
  async put(path: string, parts: readonly string[], previous: Reference | null = null, more: Partial<DocumentVersion> = {}): Promise<Reference> {
    const { document, chunks, bytes } = await version(path, parts, more)
    if (this.destination.takes === 'files') return this.destination.replace(document, () => once(bytes), previous)
    const writer = await this.destination.begin(document, previous)
    for (let i = 0; i < chunks.length; i += 500) await writer.write(chunks.slice(i, i + 500))
    return writer.commit()
  }

  async listAll(): Promise<HeldDocument[]> {
    const held: HeldDocument[] = []
    for await (const document of this.destination.list()) held.push(document)
    return held
  }

  async list(): Promise<Map<string, HeldDocument>> {
    return new Map((await this.listAll()).map((held) => [held.path, held]))
  }

  async finds(path: string, parts: readonly string[]): Promise<void> {
    const expected = this.destination.takes === 'chunks' ? parts : parts.length === 0 ? [] : [join(parts)]
    assert.deepEqual(await this.place.contents(path), expected, `contents of ${path.slice(0, 60)}`)
  }
}

async function openPrepared(place: DestinationPlace, vectorizer?: string): Promise<Destination> {
  const destination = await place.open(vectorizer)
  await prepare(destination)
  return destination
}

function prepare(destination: Destination): Promise<void> {
  return destination.takes === 'chunks' ? destination.prepare({ dimension: conformanceDimension, model: conformanceModel }) : destination.prepare()
}

async function version(path: string, parts: readonly string[], more: Partial<DocumentVersion> = {}): Promise<{ document: DocumentVersion; chunks: EmbeddedChunk[]; bytes: Uint8Array }> {
  const bytes = toUtf8(join(parts))
  const document = { path, sha256: await sha256Hex(bytes), sizeBytes: bytes.length, contentType: 'text/markdown', title: 'title', format: 'markdown', metadata: { kind: 'test' }, ...more }
  const chunks = await Promise.all(
    parts.map(async (text, index) => ({ chunk: { index, text, embeddingText: text, headingPath: [], tokenCount: 1 }, text, hash: (await sha256Hex(toUtf8(text))).slice(0, 16), vector: vectorOf(text) })),
  )
  return { document, chunks, bytes }
}

/** Of length 1, with values that no coarser number format keeps. */
function vectorOf(text: string): Float32Array {
  const vector = Float32Array.from({ length: conformanceDimension }, (_, i) => Math.sin(i + 1 + [...text].reduce((sum, letter, at) => sum + letter.codePointAt(0)! * (at + 1), 0)))
  const norm = Math.hypot(...vector)
  return vector.map((value) => value / norm)
}

function join(parts: readonly string[]): string {
  return parts.join('\n\n')
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 1000) yield await Promise.resolve(bytes.slice(start, start + 1000))
}

async function* failing(message: string): AsyncIterable<Uint8Array> {
  yield await Promise.resolve(toUtf8('new'))
  throw new Error(message)
}

async function eightAtOnce<Item>(items: readonly Item[], task: (item: Item) => Promise<void>): Promise<void> {
  const waiting = items.values()
  const work = async () => {
    for (const item of waiting) await task(item)
  }
  await Promise.all(Array.from({ length: 8 }, work))
}

function same(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(a, b)
    return true
  } catch {
    return false
  }
}

async function rejects(promise: Promise<unknown>, kind: ErrorKind): Promise<void> {
  await assert.rejects(promise, (error) => isWindlassError(error, kind))
}
