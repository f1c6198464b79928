import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { testSource } from '../../testing/source-conformance.ts'
import { GitSource } from './git-source.ts'
import type { Source } from './source.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'windlass-git-source-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const identity = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false', '-c', 'protocol.file.allow=always']
const git = (cwd: string, ...args: string[]) => execFileSync('git', [...identity, ...args], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()

function repository(name = 'repository'): string {
  const path = join(folder, name)
  mkdirSync(path)
  git(path, 'init', '-q', '-b', 'main')
  return path
}

function write(root: string, name: string, content: string | Uint8Array = name): void {
  mkdirSync(dirname(join(root, name)), { recursive: true })
  writeFileSync(join(root, name), content)
}

function commit(root: string): string {
  git(root, 'add', '-A', '-f')
  git(root, 'commit', '-q', '--allow-empty', '-m', 'x')
  return git(root, 'rev-parse', 'HEAD')
}

async function listed(source: Source, since?: string) {
  const listing = await source.list(since === undefined ? {} : { since })
  const paths: string[] = []
  for await (const { path } of listing.entries) paths.push(path)
  const deleted: string[] = []
  if (listing.kind === 'changes') for await (const path of listing.deleted) deleted.push(path)
  return { kind: listing.kind, paths, deleted, cursor: listing.cursor()! }
}

async function textOf(source: Source, path: string): Promise<string> {
  const content = await source.read({ path })
  if (content.kind !== 'found') return content.kind
  const parts: Uint8Array[] = []
  for await (const part of content.bytes()) parts.push(part)
  return Buffer.concat(parts).toString()
}

describe('GitSource', () => {
  testSource(test, async () => {
    const root = repository()
    let isCommitted = true
    const commitAll = () => {
      if (!isCommitted) commit(root)
      isCommitted = true
    }
    return {
      // Many files, one commit.
      open: async (patterns = {}) => {
        commitAll()
        const source = new GitSource(join(root, 'docs'), patterns)
        return source
      },
      put: async (name, bytes) => {
        write(join(root, 'docs'), name, bytes)
        write(root, 'beside.md')
        isCommitted = false
      },
      remove: async (name) => {
        rmSync(join(root, 'docs', name))
        isCommitted = false
      },
      removeRoot: async () => rmSync(root, { recursive: true }),
    }
  })

  test('what is not committed is not there, and what is, is, whatever the working tree says', async () => {
    const root = repository()
    write(root, 'a.md', 'committed')
    commit(root)
    write(root, 'a.md', 'edited')
    write(root, 'b.md')
    const source = new GitSource(root)
    expect((await listed(source)).paths).toEqual(['a.md'])
    expect(await textOf(source, 'a.md')).toBe('committed')
    await source.close()
  })

  test('only what changed since is listed, in the folder alone', async () => {
    const root = repository()
    for (const name of ['docs/a.md', 'docs/b.md', 'docs/c.md', 'docs/logo.png', 'other/d.md']) write(root, name)
    commit(root)
    const source = new GitSource(join(root, 'docs'))
    const first = await listed(source)
    expect(first).toMatchObject({ kind: 'everything', paths: ['a.md', 'b.md', 'c.md'] })
    expect(await listed(source, first.cursor)).toMatchObject({ kind: 'changes', paths: [], deleted: [] })
    write(root, 'docs/a.md', 'changed')
    write(root, 'docs/n ew.md')
    write(root, 'other/d.md', 'changed')
    git(root, 'rm', '-q', '-f', 'docs/b.md', 'docs/logo.png')
    git(root, 'mv', 'docs/c.md', 'docs/moved.md')
    commit(root)
    expect(await listed(source, first.cursor)).toMatchObject({ kind: 'changes', paths: ['a.md', 'moved.md', 'n ew.md'], deleted: ['b.md', 'c.md'] })
    await source.close()
  })

  test('after a force push, in a shallow clone, and for a commit nobody knows, everything is listed', async () => {
    const root = repository()
    write(root, 'a.md')
    commit(root)
    const old = (await listed(new GitSource(root))).cursor
    write(root, 'b.md')
    commit(root)
    git(folder, 'clone', '-q', '--depth', '1', `file://${root}`, 'shallow')
    expect(await listed(new GitSource(join(folder, 'shallow')), old)).toMatchObject({ kind: 'everything', paths: ['a.md', 'b.md'] })
    const present = (await listed(new GitSource(root))).cursor
    git(root, 'reset', '-q', '--hard', 'HEAD~1')
    write(root, 'c.md')
    commit(root)
    expect(await listed(new GitSource(root), present)).toMatchObject({ kind: 'everything', paths: ['a.md', 'c.md'] })
    expect(await listed(new GitSource(root), `${'0'.repeat(40)} ${old.split(' ')[1]}`)).toMatchObject({ kind: 'everything' })
  })

  test('a cursor of another folder lists everything', async () => {
    const root = repository()
    for (const name of ['x/a.md', 'y/b.md']) write(root, name)
    commit(root)
    const { cursor } = await listed(new GitSource(join(root, 'x')))
    expect(await listed(new GitSource(join(root, 'y')), cursor)).toMatchObject({ kind: 'everything', paths: ['b.md'] })
  })

  test('a folder that was not there at the commit of the cursor is listed whole, one that is gone now is not-found', async () => {
    const root = repository()
    write(root, 'a.md')
    commit(root)
    mkdirSync(join(root, 'docs'))
    await expect(listed(new GitSource(join(root, 'docs')))).rejects.toMatchObject({ kind: 'not-found', message: expect.stringContaining('docs') })
    write(root, 'docs/b.md')
    const second = commit(root)
    expect((await listed(new GitSource(join(root, 'docs')))).cursor).toContain(second)
  })

  test('symbolic links and submodules are passed over, also when a file becomes one', async () => {
    const inner = repository('inner')
    write(inner, 'inner.md')
    commit(inner)
    const root = repository()
    write(root, 'a.md')
    write(root, 'b.md')
    symlinkSync('a.md', join(root, 'link.md'))
    git(root, 'submodule', '-q', 'add', inner, 'sub')
    commit(root)
    const source = new GitSource(root)
    const first = await listed(source)
    expect(first.paths).toEqual(['.gitmodules', 'a.md', 'b.md'])
    rmSync(join(root, 'b.md'))
    symlinkSync('a.md', join(root, 'b.md'))
    commit(root)
    expect(await listed(source, first.cursor)).toMatchObject({ kind: 'changes', paths: [], deleted: ['b.md'] })
  })

  test('branches, tags and commits are refs; what looks like an option is not', async () => {
    const root = repository()
    write(root, 'a.md')
    const first = commit(root)
    git(root, 'tag', 'v1')
    write(root, 'b.md')
    commit(root)
    for (const ref of ['v1', first, 'HEAD~1', 'main~1']) expect((await listed(new GitSource(root, { ref }))).paths, ref).toEqual(['a.md'])
    await expect(listed(new GitSource(root, { ref: 'none' }))).rejects.toMatchObject({ kind: 'not-found', message: expect.stringContaining('none') })
    await expect(listed(new GitSource(root, { ref: '--help' }))).rejects.toMatchObject({ kind: 'invalid' })
  })

  test('a listing and its reads are of one commit, whatever is committed meanwhile', async () => {
    const root = repository()
    write(root, 'a.md', 'first')
    commit(root)
    const source = new GitSource(root)
    await listed(source)
    write(root, 'a.md', 'second')
    commit(root)
    expect(await textOf(source, 'a.md')).toBe('first')
    await listed(source)
    expect(await textOf(source, 'a.md')).toBe('second')
    await source.close()
  })

  test('a bare repository will do', async () => {
    const root = repository()
    write(root, 'a.md', 'content')
    commit(root)
    git(folder, 'clone', '-q', '--bare', root, 'bare.git')
    const source = new GitSource(join(folder, 'bare.git'), { ref: 'main' })
    expect((await listed(source)).paths).toEqual(['a.md'])
    expect(await textOf(source, 'a.md')).toBe('content')
    await source.close()
  })

  test('pointers of Git LFS are the file if the working tree has it, and an error of that file if not', async () => {
    const root = repository()
    const content = 'the large file\n'.repeat(100)
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${createHash('sha256').update(content).digest('hex')}\nsize ${content.length}\n`
    for (const name of ['here.md', 'absent.md', 'edited.md']) write(root, name, pointer)
    write(root, 'plain.md', 'plain')
    commit(root)
    write(root, 'here.md', content)
    write(root, 'edited.md', content.toUpperCase())
    const source = new GitSource(root)
    expect(await textOf(source, 'here.md')).toBe(content)
    expect(await textOf(source, 'plain.md')).toBe('plain')
    for (const name of ['absent.md', 'edited.md']) await expect(source.read({ path: name }), name).rejects.toMatchObject({ kind: 'invalid', message: expect.stringMatching(/git lfs pull/) })
    await source.close()
  })

  test('no repository, no commit and no git are told apart', async () => {
    await expect(listed(new GitSource(folder))).rejects.toMatchObject({ kind: 'not-found', message: expect.stringMatching(/in no git repository/) })
    await expect(listed(new GitSource(repository()))).rejects.toMatchObject({ kind: 'not-found', message: expect.stringMatching(/no commit HEAD/) })
    const path = process.env.PATH
    process.env.PATH = folder
    try {
      await expect(listed(new GitSource(folder))).rejects.toMatchObject({ kind: 'missing-dependency', details: { package: 'git' } })
    } finally {
      process.env.PATH = path
    }
  })

  test('the variables of an outer git are not followed', async () => {
    const [root, other] = [repository(), repository('other')]
    write(root, 'a.md')
    commit(root)
    write(other, 'b.md')
    commit(other)
    process.env.GIT_DIR = join(other, '.git')
    try {
      expect((await listed(new GitSource(root))).paths).toEqual(['a.md'])
    } finally {
      delete process.env.GIT_DIR
    }
  })

  test('paths that leave the folder are not there', async () => {
    const root = repository()
    write(root, 'docs/a.md')
    write(root, 'secret.md')
    commit(root)
    const source = new GitSource(join(root, 'docs'))
    for (const path of ['../secret.md', './a.md', '', '/a.md', 'a.md/']) await expect(source.read({ path }), path).rejects.toMatchObject({ kind: 'not-found' })
    await source.close()
  })
})
