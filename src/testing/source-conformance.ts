import { strict as assert } from 'node:assert'
import { createHash } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isWindlassError, type ErrorKind } from '../base/errors.ts'
import type { Source, SourceEntry, SourceListing } from '../vectorize/sources/source.ts'

type TestFunction = (name: string, run: () => Promise<void>) => void

/** A place with documents, and sources that read it. Documents are told by names below the root, with `/` between. */
export interface SourceFixture {
  /** A source of the place as it is now; every call a new one. */
  open(patterns?: { include?: readonly string[]; exclude?: readonly string[] }): Promise<Source>
  /** Stores a document, so that the next listing shows it. */
  put(name: string, bytes: Uint8Array): Promise<void>
  remove(name: string): Promise<void>
  /** Takes the whole place away. */
  removeRoot(): Promise<void>
  /** The path that a listing has for a name; default: the name. */
  pathOf?(name: string): string
  /** Whether the place can hold such a name; default: all. */
  canHold?(name: string): boolean
  close?(): Promise<void>
}

/** What a source may do without, each with the reason it cannot. */
export interface SourceConformanceOptions {
  readonly skip?: Readonly<Record<string, string>>
}

/** Declares a test of one promise, unless it is skipped. */
type Declare = (name: string, run: (fixture: SourceFixture) => Promise<void>) => void

const MiB = 1024 * 1024
const pieceBytesMax = 8 * MiB
const text = (value: string) => new TextEncoder().encode(value)

/**
 * The promises every `Source` keeps. Runner-agnostic, so that sources in other repositories can use it.
 * @param open An empty place; every call another one.
 */
export function testSource(test: TestFunction, open: () => Promise<SourceFixture>, { skip = {} }: SourceConformanceOptions = {}): void {
  const promise: Declare = (name, run) => {
    if (name in skip) return
    test(name, async () => {
      const fixture = await open()
      try {
        await run(fixture)
      } finally {
        await fixture.close?.()
      }
    })
  }
  testListing(promise)
  testPatterns(promise)
  testRevisions(promise)
  testCursors(promise)
  testReading(promise)
  testLargeDocuments(promise)
}

function testListing(promise: Declare): void {
  promise('a listing is complete, and names each document once', async (fixture) => {
    const names = Array.from({ length: 1203 }, (_, i) => `${i % 7}/${i % 3 === 0 ? 'deep/' : ''}${i}.md`)
    for (const name of names) await fixture.put(name, text(name))
    assert.deepEqual((await pathsOf(fixture)).sort(), names.map((name) => pathIn(fixture, name)).sort())
  })

  promise('awkward names are listed and read back', async (fixture) => {
    const names = awkwardNames.filter((name) => fixture.canHold?.(name) ?? true)
    for (const name of names) await fixture.put(name, text(`content of ${name}`))
    await withSource(fixture, async (source) => {
      const listed = await entriesOf(await source.list())
      assert.deepEqual(listed.map(({ path }) => path).sort(), names.map((name) => pathIn(fixture, name)).sort())
      for (const name of names) assert.equal(await textOf(source, { path: pathIn(fixture, name) }), `content of ${name}`)
    })
  })

  promise('sizes that are told are those of the content, and none is needed to read', async (fixture) => {
    await fixture.put('a.md', text('four'))
    await fixture.put('empty.md', new Uint8Array(0))
    await withSource(fixture, async (source) => {
      for (const entry of await entriesOf(await source.list())) {
        const expected = entry.path === pathIn(fixture, 'a.md') ? 4 : 0
        assert.ok(entry.sizeBytes === undefined || entry.sizeBytes === expected, `${entry.path}: ${entry.sizeBytes}`)
        assert.equal((await textOf(source, { path: entry.path })).length, expected)
      }
    })
  })

  promise('a root that is not there is not-found, never an empty listing', async (fixture) => {
    await fixture.put('a.md', text('a'))
    const opened = await fixture.open()
    await fixture.removeRoot()
    await assert.rejects(listAll(opened), kinds('not-found'))
    await opened.close?.()
    await assert.rejects(withSource(fixture, listAll), kinds('not-found'))
  })

  promise('a source that was aborted stops', async (fixture) => {
    for (let i = 0; i < 20; i++) await fixture.put(`${i}.md`, text('a'))
    await withSource(fixture, async (source) => {
      const stopped = AbortSignal.abort()
      await assert.rejects(source.list({ signal: stopped }), kinds('cancelled'))
      await assert.rejects(source.read({ path: pathIn(fixture, '0.md') }, { signal: stopped }), kinds('cancelled'))
      const controller = new AbortController()
      const { entries } = await source.list({ signal: controller.signal })
      await assert.rejects(async () => {
        for await (const _ of entries) controller.abort()
      }, kinds('cancelled'))
    })
  })

  promise('a listing that is left halfway can be begun again', async (fixture) => {
    for (let i = 0; i < 5; i++) await fixture.put(`${i}.md`, text('a'))
    await withSource(fixture, async (source) => {
      for await (const _ of (await source.list()).entries) break
      assert.equal((await listAll(source)).length, 5)
    })
  })
}

function testPatterns(promise: Declare): void {
  const names = ['a.md', 'b.txt', 'picture.png', 'drafts/c.md', 'x/drafts/d.md', 'x/e.md']
  const cases: [string, { include?: string[]; exclude?: string[] }, string[]][] = [
    ['no patterns: what is plainly no text is left out', {}, ['a.md', 'b.txt', 'drafts/c.md', 'x/drafts/d.md', 'x/e.md']],
    ['include: only that, whatever it is', { include: ['**/*.png', '*.txt'] }, ['b.txt', 'picture.png']],
    ['exclude: a folder with all below it', { exclude: ['drafts'] }, ['a.md', 'b.txt', 'x/e.md']],
    ['exclude wins over include', { include: ['**/*.md'], exclude: ['x/**'] }, ['a.md', 'drafts/c.md']],
  ]
  for (const [name, patterns, expected] of cases) {
    promise(name, async (fixture) => {
      for (const each of names) await fixture.put(each, text(each))
      const source = await fixture.open(patterns)
      assert.deepEqual((await listAll(source)).sort(), expected.map((each) => pathIn(fixture, each)).sort())
      await source.close?.()
    })
  }
}

function testRevisions(promise: Declare): void {
  promise('a revision stays while nothing changes, and is that of the content read', async (fixture) => {
    await fixture.put('a.md', text('one'))
    const first = await revisionIn(fixture, 'a.md')
    await fixture.put('b.md', text('other'))
    assert.equal(await revisionIn(fixture, 'a.md'), first)
    await withSource(fixture, async (source) => {
      const content = await source.read({ path: pathIn(fixture, 'a.md') })
      assert.ok(content.kind === 'found' && (first === undefined || content.revision === first))
    })
  })

  promise('a revision differs when the content does, also at the same size', async (fixture) => {
    const seen = new Set<string>()
    for (const value of ['one', 'two', 'six', 'seven']) {
      await fixture.put('a.md', text(value))
      const revision = (await revisionIn(fixture, 'a.md')) ?? (await revisionOfRead(fixture, 'a.md')) ?? value
      assert.ok(!seen.has(revision), `${value} has a revision that was seen before: ${revision}`)
      seen.add(revision)
    }
  })

  promise('a known revision is answered with unchanged or the same content; an old one with the new content', async (fixture) => {
    await fixture.put('a.md', text('one'))
    const path = pathIn(fixture, 'a.md')
    const known = await revisionOfRead(fixture, 'a.md')
    if (known === undefined) return
    await withSource(fixture, async (source) => {
      const again = await source.read({ path }, { knownRevision: known })
      assert.equal(again.kind, 'unchanged')
    })
    await fixture.put('a.md', text('two'))
    await withSource(fixture, async (source) => {
      const changed = await source.read({ path }, { knownRevision: known })
      assert.ok(changed.kind === 'found')
      assert.equal(await joined(changed.bytes()), 'two')
      for (const strange of ['', 'x', '5:y']) assert.equal((await source.read({ path }, { knownRevision: strange })).kind, 'found')
    })
  })
}

function testCursors(promise: Declare): void {
  promise('since a cursor: all that changed and was deleted, or everything', async (fixture) => {
    for (const name of ['same.md', 'changed.md', 'gone.md', 'moved.md']) await fixture.put(name, text(`first ${name}`))
    const cursor = await withSource(fixture, async (source) => {
      const listing = await source.list()
      assert.equal(listing.kind, 'everything')
      await entriesOf(listing)
      return listing.cursor()
    })
    await fixture.put('changed.md', text('second'))
    await fixture.put('new.md', text('new'))
    await fixture.remove('gone.md')
    await fixture.remove('moved.md')
    await fixture.put('x/moved.md', text('first moved.md'))
    await withSource(fixture, async (source) => {
      const listing = await source.list(cursor === undefined ? {} : { since: cursor })
      const paths = (await entriesOf(listing)).map(({ path }) => path).sort()
      const named = (...names: string[]) => names.map((name) => pathIn(fixture, name)).sort()
      if (listing.kind === 'everything') return assert.deepEqual(paths, named('same.md', 'changed.md', 'new.md', 'x/moved.md'))
      assert.deepEqual(paths, named('changed.md', 'new.md', 'x/moved.md'))
      assert.deepEqual((await all(listing.deleted)).sort(), named('gone.md', 'moved.md'))
    })
  })

  promise('a cursor of nobody lists everything', async (fixture) => {
    await fixture.put('a.md', text('a'))
    await withSource(fixture, async (source) => {
      for (const since of ['', 'x', '0'.repeat(40)]) {
        const listing = await source.list({ since })
        assert.equal(listing.kind, 'everything')
        assert.equal((await entriesOf(listing)).length, 1)
      }
    })
  })

  promise('a cursor of other patterns does not hide what they left out', async (fixture) => {
    await fixture.put('a.md', text('a'))
    await fixture.put('b.txt', text('b'))
    const narrow = await fixture.open({ include: ['*.md'] })
    const listing = await narrow.list()
    await entriesOf(listing)
    const since = listing.cursor()
    await narrow.close?.()
    await withSource(fixture, async (source) => {
      assert.equal((await entriesOf(await source.list(since === undefined ? {} : { since }))).length, 2)
    })
  })
}

function testReading(promise: Declare): void {
  promise('a document can be read again and again, by one content and by many', async (fixture) => {
    await fixture.put('a.md', text('one and only'))
    await withSource(fixture, async (source) => {
      const content = await source.read({ path: pathIn(fixture, 'a.md') })
      assert.ok(content.kind === 'found')
      for (let i = 0; i < 2; i++) assert.equal(await joined(content.bytes()), 'one and only')
      const reads = await Promise.all(Array.from({ length: 12 }, () => textOf(source, { path: pathIn(fixture, 'a.md') })))
      assert.deepEqual([...new Set(reads)], ['one and only'])
    })
  })

  promise('a document that is gone is not-found, and the others are read', async (fixture) => {
    await fixture.put('a.md', text('a'))
    await fixture.put('b.md', text('b'))
    const source = await fixture.open()
    const entries = await entriesOf(await source.list())
    await source.close?.()
    await fixture.remove('a.md')
    await withSource(fixture, async (opened) => {
      for (const entry of entries) {
        if (entry.path === pathIn(fixture, 'b.md')) assert.equal(await textOf(opened, entry), 'b')
        else await assert.rejects(opened.read(entry), kinds('not-found'))
      }
    })
  })

  promise('content that is not read to its end holds up nobody', async (fixture) => {
    await fixture.put('big.md', pattern(20 * MiB, 1))
    await fixture.put('a.md', text('a'))
    await withSource(fixture, async (source) => {
      for (let i = 0; i < 12; i++) {
        const content = await source.read({ path: pathIn(fixture, 'big.md') })
        assert.ok(content.kind === 'found')
        if (i % 2 === 0) for await (const _ of content.bytes()) break
      }
      assert.equal(await textOf(source, { path: pathIn(fixture, 'a.md') }), 'a')
    })
  })

  promise('one that is replaced while it is read is a conflict, or stays what it was', async (fixture) => {
    const [before, after] = [pattern(20 * MiB, 1), pattern(20 * MiB, 2)]
    await fixture.put('big.md', before)
    await withSource(fixture, async (source) => {
      const content = await source.read({ path: pathIn(fixture, 'big.md') })
      assert.ok(content.kind === 'found')
      const hash = createHash('sha256')
      let pieces = 0
      const reading = async () => {
        for await (const piece of content.bytes()) {
          hash.update(piece)
          if (pieces++ === 0) await fixture.put('big.md', after)
        }
        return hash.digest('hex')
      }
      const read = await reading().catch((error: unknown) => (isWindlassError(error, 'conflict') ? 'conflict' : Promise.reject(error as Error)))
      assert.ok(['conflict', hashOf(before), hashOf(after)].includes(read), 'a mix was read')
      // Another pass over the same content is of the same bytes, or a conflict.
      const again = await hashOfAll(content.bytes()).catch((error: unknown) => (isWindlassError(error, 'conflict') ? 'conflict' : Promise.reject(error as Error)))
      assert.ok(again === 'conflict' || read === 'conflict' || again === read, 'two passes over one content differ')
    })
  })
}

function testLargeDocuments(promise: Declare): void {
  promise('64 MB come whole, in pieces, within bounded memory', async (fixture) => {
    const size = 64 * MiB
    await fixture.put('large.md', pattern(size, 3))
    const expected = hashOf(pattern(size, 3))
    await withSource(fixture, async (source) => {
      const collect = garbageCollector()
      collect()
      const before = process.memoryUsage().arrayBuffers
      const content = await source.read({ path: pathIn(fixture, 'large.md') })
      assert.ok(content.kind === 'found')
      const hash = createHash('sha256')
      let [received, largest, highest] = [0, 0, 0]
      for await (const piece of content.bytes()) {
        hash.update(piece)
        largest = Math.max(largest, piece.length)
        // At every 4 MiB: collecting is slow.
        if (Math.floor((received + piece.length) / (4 * MiB)) > Math.floor(received / (4 * MiB))) {
          collect()
          highest = Math.max(highest, process.memoryUsage().arrayBuffers - before)
        }
        received += piece.length
      }
      assert.equal(received, size)
      assert.equal(hash.digest('hex'), expected)
      assert.ok(largest <= pieceBytesMax, `a piece of ${largest} bytes`)
      assert.ok(highest <= 32 * MiB, `${highest} bytes are held`)
    })
  })
}

const awkwardNames = [
  'with spaces and  two.md',
  ' leading and trailing .md',
  'plus+and&amp;=.md',
  'hash#tag.md',
  'percent%20 %zz 100%.md',
  'question?mark*.md',
  'quote\'s "double".md',
  'back\\slash.md',
  'colon:semi;comma,.md',
  'gr\u00fcn.md',
  'gru\u0308n.md',
  '日本語/ファイル.md',
  'emoji 🪝.md',
  '.leading-dot.md',
  '..two-dots.md',
  'in..side..md',
  '.folder/a.md',
  '~home.md',
  '-dash.md',
  '--all',
  'no extension',
  'a/b/c/d/e/f/g/h.md',
  'tab\there.md',
  'line\nbreak.md',
  `${'long/'.repeat(179)}${'n'.repeat(100)}.md`,
]

function pathIn(fixture: SourceFixture, name: string): string {
  return fixture.pathOf?.(name) ?? name
}

async function withSource<Value>(fixture: SourceFixture, task: (source: Source) => Promise<Value>): Promise<Value> {
  const source = await fixture.open()
  try {
    return await task(source)
  } finally {
    await source.close?.()
  }
}

async function pathsOf(fixture: SourceFixture): Promise<string[]> {
  return withSource(fixture, listAll)
}

async function listAll(source: Source): Promise<string[]> {
  return (await entriesOf(await source.list())).map(({ path }) => path)
}

async function entriesOf({ entries }: SourceListing): Promise<SourceEntry[]> {
  return all(entries)
}

async function all<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const list: Value[] = []
  for await (const value of values) list.push(value)
  return list
}

async function revisionIn(fixture: SourceFixture, name: string): Promise<string | undefined> {
  return withSource(fixture, async (source) => {
    const entry = (await entriesOf(await source.list())).find(({ path }) => path === pathIn(fixture, name))
    assert.ok(entry, `${name} is not listed`)
    return entry.revision
  })
}

async function revisionOfRead(fixture: SourceFixture, name: string): Promise<string | undefined> {
  return withSource(fixture, async (source) => {
    const content = await source.read({ path: pathIn(fixture, name) })
    assert.ok(content.kind === 'found')
    await hashOfAll(content.bytes())
    return content.revision
  })
}

async function textOf(source: Source, entry: SourceEntry): Promise<string> {
  const content = await source.read(entry)
  assert.ok(content.kind === 'found', `${entry.path} is unchanged, which was not asked`)
  return joined(content.bytes())
}

async function joined(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await all(bytes)).toString()
}

async function hashOfAll(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of bytes) hash.update(piece)
  return hash.digest('hex')
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Text that differs from place to place, and by seed everywhere. */
function pattern(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i++) bytes[i] = 97 + ((i * 7 + (i >>> 10) + seed) % 26)
  return bytes
}

function kinds(...expected: ErrorKind[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isWindlassError(error, ...expected), `expected ${expected.join(' or ')}, got ${String(error)}`)
    return true
  }
}

/** Collects garbage at once, so that what is counted afterwards is what is held. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}
