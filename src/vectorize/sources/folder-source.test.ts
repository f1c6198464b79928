import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock, type Clock } from '../../base/clock.ts'
import { testSource } from '../../testing/source-conformance.ts'
import { FolderSource } from './folder-source.ts'
import type { Source } from './source.ts'

// An hour on: what was written a moment ago is old enough to have a revision.
const laterClock: Clock = { ...systemClock, now: () => systemClock.now() + 3_600_000 }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'windlass-folder-source-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(path: string, content: string | Uint8Array = 'x'): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), content)
}

async function pathsOf(source: Source): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of (await source.list()).entries) paths.push(path)
  return paths
}

describe('FolderSource', () => {
  testSource(test, async () => {
    const root = join(folder, 'root')
    mkdirSync(root)
    return {
      open: async (patterns = {}) => new FolderSource(root, { hidden: true, clock: laterClock, ...patterns }),
      put: async (name, bytes) => {
        // So that its times differ from those of the version before, whatever the tick of the kernel.
        if (existsSync(join(root, name))) await systemClock.sleep(15)
        write(`root/${name}`, bytes)
      },
      remove: async (name) => rmSync(join(root, name)),
      removeRoot: async () => rmSync(root, { recursive: true }),
    }
  })

  test('hidden files and folders are taken when asked for, installed and generated ones never', async () => {
    for (const path of ['a.md', '.env.md', '.notes/b.md', '.git/c.md', 'node_modules/d.md', 'x/__pycache__/e.md']) write(path)
    expect(await pathsOf(new FolderSource(folder))).toEqual(['a.md'])
    expect(await pathsOf(new FolderSource(folder, { hidden: true }))).toEqual(['.env.md', '.notes/b.md', 'a.md'])
  })

  test('symbolic links are neither listed nor followed, wherever they lead', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'windlass-outside-'))
    try {
      writeFileSync(join(outside, 'secret.md'), 'secret')
      write('root/a.md')
      symlinkSync(outside, join(folder, 'root/out'))
      symlinkSync(join(outside, 'secret.md'), join(folder, 'root/link.md'))
      symlinkSync('a.md', join(folder, 'root/inside.md'))
      symlinkSync('.', join(folder, 'root/loop'))
      const source = new FolderSource(join(folder, 'root'))
      expect(await pathsOf(source)).toEqual(['a.md'])
      for (const path of ['out/secret.md', 'link.md', '../root/a.md', '../../etc/hostname', 'loop/a.md', '/etc/hostname', 'a.md/', './a.md', '']) {
        await expect(source.read({ path }), path).rejects.toMatchObject({ kind: 'not-found' })
      }
    } finally {
      rmSync(outside, { recursive: true })
    }
  })

  test('a root that is a link is its target', async () => {
    write('real/a.md')
    symlinkSync('real', join(folder, 'link'))
    const source = new FolderSource(join(folder, 'link'))
    expect(await pathsOf(source)).toEqual(['a.md'])
    expect((await source.read({ path: 'a.md' })).kind).toBe('found')
  })

  test('a root that is a file is that file, and no other', async () => {
    write('.hidden.bin')
    write('b.md')
    const source = new FolderSource(join(folder, '.hidden.bin'))
    expect(await pathsOf(source)).toEqual(['.hidden.bin'])
    expect((await source.read({ path: '.hidden.bin' })).kind).toBe('found')
    await expect(source.read({ path: 'b.md' })).rejects.toMatchObject({ kind: 'not-found' })
  })

  test('a file of the last two seconds has no revision: its next change might not show', async () => {
    write('a.md')
    const entries = async (clock: Clock) => {
      for await (const entry of (await new FolderSource(folder, { clock }).list()).entries) return entry
      return undefined
    }
    expect(await entries(systemClock)).toEqual({ path: 'a.md', sizeBytes: 1 })
    expect((await entries(laterClock))?.revision).toMatch(/^1:/)
    // Ahead of the clock is no better: who wrote that may write it again.
    utimesSync(join(folder, 'a.md'), laterClock.now() / 1000 + 60, laterClock.now() / 1000 + 60)
    expect((await entries(laterClock))?.revision).toBeUndefined()
  })

  test('a file whose old times are put back after a change still has another revision', async () => {
    write('a.md', 'one')
    utimesSync(join(folder, 'a.md'), 1e9, 1e9)
    const source = new FolderSource(folder, { clock: laterClock })
    const revision = async () => {
      const content = await source.read({ path: 'a.md' })
      return content.kind === 'found' ? content.revision : undefined
    }
    const first = await revision()
    await systemClock.sleep(20)
    write('a.md', 'two')
    utimesSync(join(folder, 'a.md'), 1e9, 1e9)
    expect(await revision()).not.toBe(first)
  })

  test('a root that is replaced while it is listed is not-found, not an end', async () => {
    for (const path of ['root/a/1.md', 'root/b/2.md', 'root/c/3.md', 'other/x.md']) write(path)
    const { entries } = await new FolderSource(join(folder, 'root')).list()
    const listing = async () => {
      for await (const _ of entries) {
        renameSync(join(folder, 'root'), join(folder, 'away'))
        renameSync(join(folder, 'other'), join(folder, 'root'))
      }
    }
    await expect(listing()).rejects.toMatchObject({ kind: 'not-found' })
  })

  test('a folder that goes away while it is listed is no error', async () => {
    for (const path of ['a/1.md', 'b/2.md', 'c/3.md']) write(path)
    const paths: string[] = []
    for await (const { path } of (await new FolderSource(folder).list()).entries) {
      paths.push(path)
      rmSync(join(folder, 'b'), { recursive: true, force: true })
    }
    expect(paths).toEqual(['a/1.md', 'c/3.md'])
  })

  test('names that are not UTF-8 are told by name, and the rest goes on', async () => {
    write('a.md')
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/b`), Buffer.of(0xff), Buffer.from('.md')]), 'x')
    const source = new FolderSource(folder)
    expect(await pathsOf(source)).toEqual(['a.md', 'b\uFFFD.md'])
    await expect(source.read({ path: 'b\uFFFD.md' })).rejects.toMatchObject({ kind: 'unsupported', message: expect.stringContaining('rename it') })
  })

  test.skipIf(!process.getuid)('what may not be read is an error of that file; a folder, of the listing', async () => {
    for (const path of ['a.md', 'b.md', 'c/d.md']) write(path)
    const source = new FolderSource(folder)
    chmodSync(folder, 0o755)
    // Root may read everything: then it is nobody who tries.
    const isRoot = process.getuid!() === 0
    if (isRoot) process.seteuid!(65534)
    const allow = (path: string, mode: number) => {
      if (isRoot) process.seteuid!(0)
      chmodSync(join(folder, path), mode)
      if (isRoot) process.seteuid!(65534)
    }
    try {
      allow('b.md', 0)
      expect(await pathsOf(source)).toEqual(['a.md', 'b.md', 'c/d.md'])
      await expect(source.read({ path: 'b.md' })).rejects.toMatchObject({ kind: 'denied' })
      allow('c', 0)
      await expect(pathsOf(source)).rejects.toMatchObject({ kind: 'denied' })
      expect(await pathsOf(new FolderSource(folder, { exclude: ['c'] }))).toEqual(['a.md', 'b.md'])
    } finally {
      allow('c', 0o755)
      if (isRoot) process.seteuid!(0)
    }
  })
})
