import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sourceSchema } from '../declaration/declaration.ts'
import { openSource } from './open-source.ts'

const open = (declaration: unknown, environment: Record<string, string> = {}, folder?: string) => openSource(sourceSchema.parse(declaration), { environment, where: 'vectorizers[0].source', ...(folder !== undefined && { folder }) })

test('each kind of source is opened, with the variables in its addresses', async () => {
  const environment = { PLACE: 'notes', KEY: 'id', SECRET: 'word' }
  const opened = [
    await open({ type: 's3', url: 's3://$PLACE/docs/', region: 'us-east-1', accessKeyIdVariable: 'KEY', secretAccessKeyVariable: 'SECRET' }, environment),
    await open({ type: 'folder', path: '${PLACE}' }, environment, '/srv'),
    await open({ type: 'git' }, environment, '/srv'),
    await open({ type: 'urls', sitemap: 'https://$PLACE/sitemap.xml' }, environment),
  ]
  expect(opened.map(({ description }) => description)).toEqual(['s3://notes/docs', 'folder /srv/notes', 'git /srv at HEAD', 'sitemap https://notes/sitemap.xml'])
  for (const source of opened) await source.close?.()
})

test('a variable that is not set is told by its name and place, and no value is shown', async () => {
  const keys = { accessKeyIdVariable: 'KEY', secretAccessKeyVariable: 'SECRET' }
  await expect(open({ type: 's3', url: 's3://b', ...keys }, { KEY: 'very-secret-id' })).rejects.toMatchObject({ kind: 'invalid', message: expect.stringMatching(/^vectorizers\[0\].source.secretAccessKeyVariable: the environment variable SECRET is not set((?!very-secret).)*$/) })
  await expect(open({ type: 'folder', path: '$NONE/x' })).rejects.toMatchObject({ kind: 'invalid', message: expect.stringMatching(/^vectorizers\[0\].source.path: the environment variable NONE is not set/) })
})

test('a folder that is declared is read from where the declaration lies', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'windlass-open-source-'))
  try {
    mkdirSync(join(folder, 'docs'))
    for (const name of ['a.md', 'b.txt', '.c.md']) writeFileSync(join(folder, 'docs', name), name)
    const source = await open({ type: 'folder', path: 'docs', hidden: true, include: ['*.md'] }, {}, folder)
    const paths: string[] = []
    for await (const { path } of (await source.list()).entries) paths.push(path)
    expect(paths).toEqual(['.c.md', 'a.md'])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
