// What people meet on the command line when something is wrong: one line that names the thing and the remedy, an exit status that
// says what kind it is, and nothing lost.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStore } from '../../src/store/open-store.ts'
import { run } from './processes.ts'

const scratch = mkdtempSync(join(tmpdir(), 'windlass-bad-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const files = join(scratch, 'files')
beforeAll(() => {
  mkdirSync(files)
  for (let i = 0; i < 20; i++) writeFileSync(join(files, `${i}.md`), `# File ${i}\n\nThe windlass hauls bucket number ${i}.\n`)
})

/** The one line on standard error, and the exit status. */
function failure(args: string[], env: NodeJS.ProcessEnv = {}): { line: string; status: number | null } {
  const { status, stderr } = run(args, env)
  const lines = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('warning: '))
  expect(lines, stderr).toHaveLength(1)
  return { line: lines[0]!, status }
}

describe('on a directory', () => {
  test('a collection that is not there', () => {
    const { line, status } = failure(['search', 'x', '--bucket', `file:${join(scratch, 'empty')}`])
    expect([line, status]).toEqual([expect.stringMatching(/has no collection "docs": create it first/), 4])
  })

  test.each([
    ['a bucket of no kind', ['ls', '--bucket', 'ftp://x'], /use s3:\/\/bucket\/prefix, file:/, 2],
    ['a file that is not there', ['index', join(scratch, 'none'), '--bucket', 'memory:'], /none: no such file or folder/, 4],
    ['a source of no kind', ['index', 'ftp://x/y', '--bucket', 'memory:'], /only files, folders and s3:/, 9],
    ['a filter that is no JSON', ['search', 'x', '--filter', '{', '--bucket', 'memory:'], /not JSON|no collection/, 4],
    ['a port that is no number', ['serve', '--port', 'x', '--bucket', 'memory:'], /--port: "x" is not a whole number/, 2],
    ['an open address without keys', ['serve', '--host', '0.0.0.0', '--bucket', 'memory:'], /set WINDLASS_KEYS, or listen on 127\.0\.0\.1/, 2],
  ])('%s', (_, args, message, code) => {
    const { line, status } = failure(args)
    expect([line, status]).toEqual([expect.stringMatching(message), code])
  })

  test('settings that contradict the model', () => {
    const dimension = failure(['ls', '--bucket', 'memory:'], { VECTOR_DIMENSION: '768' })
    expect(dimension.line).toMatch(/VECTOR_DIMENSION is 768, model static-384 has 384/)
    const model = failure(['ls', '--bucket', 'memory:'], { EMBEDDING_MODEL: 'gpt-99' })
    expect(model.line).toMatch(/EMBEDDING_MODEL: model "gpt-99" is not available: use static-384/)
  })

  test('a damaged object is named, by verify and by search; other collections go on', () => {
    const bucket = join(scratch, 'damaged')
    const args = ['--bucket', `file:${bucket}`]
    expect(run(['index', files, ...args]).status).toBe(0)
    expect(run(['index', files, '--collection', 'other', ...args]).status).toBe(0)
    const [log] = (readdirSync(bucket, { recursive: true }) as string[]).filter((path) => path.includes('/log/') && path.includes('data/')).sort()
    const path = join(bucket, log!)
    const whole = readFileSync(path)
    const damaged = Buffer.from(whole)
    damaged[damaged.length >> 1]! ^= 1
    for (const bytes of [damaged, whole.subarray(0, whole.length >> 1)]) {
      writeFileSync(path, bytes)
      const search = failure(['search', 'bucket', ...args])
      expect([search.line, search.status]).toEqual([expect.stringMatching(/log\/0+1.*(damaged|checksum|CRC|cut|ends)/i), 8])
      expect(run(['search', 'bucket', '--collection', 'other', ...args]).status).toBe(0)
    }
    writeFileSync(path, whole)
    expect(run(['verify', 'docs', ...args]).stdout).toContain(' 0 problems')
  })

  test('objects that are not ours are left alone', () => {
    const bucket = join(scratch, 'foreign')
    const foreign = ['vector_db/index.json', 'files/a.txt', 'catalog/Not One Of Ours', 'data/README', 'manifest'].map((path) => join(bucket, path))
    for (const path of foreign) {
      mkdirSync(join(path, '..'), { recursive: true })
      writeFileSync(path, 'somebody else wrote this')
    }
    const args = ['--bucket', `file:${bucket}`]
    expect(run(['index', files, ...args]).status).toBe(0)
    expect(run(['ls', ...args]).stdout).toMatch(/^docs .*20 documents/)
    expect(run(['rm', 'docs', ...args]).status).toBe(0)
    for (const path of foreign) expect(readFileSync(path, 'utf8')).toBe('somebody else wrote this')
  })

  test('a disk that is full: nothing that was acknowledged is lost, and it goes on once there is space', ({ skip }) => {
    const disk = join(scratch, 'disk')
    mkdirSync(disk)
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]).status !== 0) skip('mounting a small disk is not allowed here')
    try {
      const args = ['--bucket', `file:${join(disk, 'bucket')}`]
      expect(run(['index', join(files, '1.md'), ...args]).status).toBe(0)
      const { bavail, bsize } = statfsSync(disk)
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(bavail * bsize - 16_384))
      const { line, status } = failure(['index', files, ...args])
      expect([line, status]).toEqual([expect.stringMatching(/no space left on the device: free some/), 6])
      expect(run(['search', 'hauls', ...args]).stdout).toContain('1.md')
      rmSync(join(disk, 'ballast'))
      expect(run(['index', files, ...args]).status).toBe(0)
      expect(run(['ls', ...args]).stdout).toContain('20 documents')
      expect(run(['verify', 'docs', ...args]).stdout).toContain(' 0 problems')
    } finally {
      spawnSync('umount', [disk])
    }
  })
})

const s3 = process.env.WINDLASS_TEST_S3_BUCKET
describe.skipIf(!s3)('on S3', () => {
  const bucket = `${s3}/bad-${process.pid}`

  test.each([
    ['a bucket that is not there', 's3://no-such-bucket-here', {}, /the bucket does not exist: create it, or correct its name/, 4],
    ['a wrong secret', bucket, { AWS_SECRET_ACCESS_KEY: 'wrong' }, /signature does not match: check AWS_SECRET_ACCESS_KEY/, 3],
    ['an unknown key', bucket, { AWS_ACCESS_KEY_ID: 'nobody' }, /access key id is not known|check AWS_ACCESS_KEY_ID/, 3],
    ['no credentials', bucket, { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nonexistent' }, /no credentials were found: set AWS_ACCESS_KEY_ID/, 3],
    ['nobody at the endpoint', bucket, { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' }, /nobody listens at the endpoint: check AWS_ENDPOINT_URL/, 6],
  ])('%s', (_, url, env, message, code) => {
    for (const args of [['ls'], ['index', files]]) {
      const { line, status } = failure([...args, '--bucket', url], env)
      expect([line, status]).toEqual([expect.stringMatching(message), code])
      expect(line).not.toContain('wrong')
    }
  })

  test('files of a prefix are indexed where they lie; the second time nothing is new, and what is gone is pruned', async () => {
    const source = `${s3}/source-${process.pid}`
    const store = await openStore(source)
    for (const name of ['a.md', 'b/c.md', 'd.png']) await store.put(name, readFileSync(join(files, '1.md')))
    const index = () => run(['index', source, '--prune', '--collection', 'from-s3', '--bucket', bucket]).stdout
    expect(index()).toContain('2 new, 0 changed, 0 unchanged, 0 removed, 0 failed')
    await store.delete(['a.md'])
    expect(index()).toContain('0 new, 0 changed, 1 unchanged, 1 removed, 0 failed')
    expect(run(['search', 'hauls', '--collection', 'from-s3', '--bucket', bucket]).stdout).toMatch(new RegExp(`^${source}/b/c\\.md`))
    await store.close?.()
  })
})
