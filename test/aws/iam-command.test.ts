import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { externalId, hopArn, readerArn, startWorld, worker } from '../doubles/sts/world.ts'

let world: Awaited<ReturnType<typeof startWorld>>
let folder: string
beforeEach(async () => {
  world = await startWorld()
  folder = mkdtempSync(join(tmpdir(), 'windlass-iam-'))
})
afterEach(async () => {
  await world.close()
  rmSync(folder, { recursive: true, force: true })
})

function declare(source: object): void {
  writeFileSync(join(folder, 'windlass.yaml'), JSON.stringify({ version: 1, bucket: 'memory:', vectorizers: [{ name: 'handbook', source: { type: 's3', url: 's3://theirs/docs', ...source }, destinations: [{ type: 'collection', name: 'docs' }] }] }))
}
function run(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { PATH, HOME } = process.env
  const root = join(import.meta.dirname, '../..')
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', join(root, 'node_modules/tsx/dist/esm/index.mjs'), join(root, 'src/cli/main.ts'), ...words], { cwd: folder, env: { PATH, HOME, ...world.environment } }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
    )
  })
}

describe('windlass iam', () => {
  test('prints with --json nothing but JSON: who, in which role, with which id', async () => {
    declare({ role: readerArn, externalId })
    const { code, stdout } = await run('iam', 'handbook', '--json', '--kms', 'arn:aws:kms:us-east-1:222222222222:key/1')
    expect(code).toBe(0)
    const told = JSON.parse(stdout)
    expect(told).toMatchObject({
      vectorizer: 'handbook',
      roleName: 'docs-reader',
      principal: worker.arn,
      externalId,
      trust: { Statement: [{ Principal: { AWS: worker.arn }, Condition: { StringEquals: { 'sts:ExternalId': externalId } } }] },
      policy: { Statement: [{ Action: 's3:ListBucket' }, { Action: 's3:GetObject' }, { Action: 'kms:Decrypt' }] },
    })
    for (const command of told.commands) expect(command).toContain('--role-name docs-reader ')
    expect(world.sts.requests).toEqual([{ action: 'GetCallerIdentity', caller: worker.arn }])
  })

  test('makes an external id where none is declared, another each time, and trusts the role before where there is one', async () => {
    declare({ role: readerArn, via: [hopArn] })
    const [one, two] = (await Promise.all([run('iam', 'handbook', '--json'), run('iam', 'handbook', '--json')])).map(({ stdout }) => JSON.parse(stdout) as { externalId: string; principal: string })
    expect(one!.externalId).toMatch(/^windlass-[0-9a-z]{26}$/)
    expect(one!.externalId).not.toBe(two!.externalId)
    expect(one!.principal).toBe(hopArn)
  })

  test('names the role after the vectorizer where none is declared, and is a script with comments', async () => {
    declare({})
    const { stdout } = await run('iam', 'handbook', '--principal', 'arn:aws:iam::111111111111:role/worker')
    expect(stdout.match(/--role-name (\S+)/g)).toEqual(Array.from({ length: 3 }, () => '--role-name windlass-handbook'))
    expect(stdout).toContain('#   role: arn:aws:iam::<account>:role/windlass-handbook')
    expect(world.sts.requests).toEqual([])
  })

  test('says what is missing', async () => {
    declare({ role: readerArn })
    expect(await run('iam', 'other')).toMatchObject({ code: 4, stderr: expect.stringContaining('declares no vectorizer "other": it has handbook') })
    expect(await run('vectorize', 'handbook', '--events')).toMatchObject({ code: 2, stderr: expect.stringContaining('declares no events: add source.events.queueUrl') })
  })
})
