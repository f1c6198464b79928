// The script of action/action.yml as a runner starts it: bash, a folder of its own, an environment with nothing but inputs and secrets.
import { spawn, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { openStore } from '../../store/open-store.ts'
import { startS3, type TinyS3 } from '../../transfer/testing.ts'

const repository = join(import.meta.dirname, '../../..')
interface Action {
  readonly inputs: Record<string, { default?: string }>
  readonly outputs: Record<string, { value: string }>
  readonly runs: { readonly steps: { readonly env: Record<string, string>; readonly run: string }[] }
}
const action = parse(await readFile(join(repository, 'action/action.yml'), 'utf8')) as Action
const step = action.runs.steps[0]!

let root: string
let s3: TinyS3
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'windlass-action-'))
  s3 = await startS3()
  await mkdir(join(root, 'work'))
})
afterEach(async () => {
  await s3.close()
  await rm(root, { recursive: true, force: true })
})

interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  readonly summary: string
  readonly outputs: Record<string, string>
}

/** Starts the script beside this process, whose server it talks to: waiting for it with `spawnSync` would stop that too. */
async function runAction(inputs: Record<string, string>, env: Record<string, string> = {}): Promise<Ended> {
  const folder = await mkdtemp(join(root, 'run-'))
  const given = { ...Object.fromEntries(Object.entries(action.inputs).map(([name, { default: value = '' }]) => [name, value])), cli: join(repository, 'src/cli/main.ts'), ...inputs }
  // `${{ inputs.x }}` is all that the runner has to fill in.
  const filled = Object.entries(step.env).map(([name, text]) => [name, text.replace(/\$\{\{ inputs\.(\w+) \}\}/, (_, input: string) => given[input as keyof typeof given] ?? '').replace('${{ github.action_path }}', join(repository, 'action'))])
  const environment = {
    PATH: process.env.PATH!,
    HOME: folder,
    NODE_OPTIONS: `--import ${pathToFileURL(join(repository, 'node_modules/tsx/dist/loader.mjs')).href}`,
    GITHUB_ACTIONS: 'true',
    GITHUB_STEP_SUMMARY: join(folder, 'summary'),
    GITHUB_OUTPUT: join(folder, 'output'),
    ...Object.fromEntries(filled),
    ...env,
  }
  const child = spawn('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run], { cwd: join(root, 'work'), env: environment })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const status = await new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)))
  const read = (path: string) => readFile(join(folder, path), 'utf8').catch(() => '')
  const outputs = Object.fromEntries((await read('output')).split('\n').filter(Boolean).map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]))
  return { status, stdout, stderr, summary: await read('summary'), outputs }
}

const secrets = () => ({ TIGRIS_ACCESS_KEY_ID: 'tid-abc', TIGRIS_SECRET_ACCESS_KEY: 'tsec-def', TIGRIS_ENDPOINT_URL: s3.url, TIGRIS_REGION: 'auto', TIGRIS_BUCKET_NAME: 'bucket' })

async function write(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, 'work', path)), { recursive: true })
    await writeFile(join(root, 'work', path), text)
  }
}

test('every input reaches the script, and none is pasted into it', () => {
  expect(Object.values(step.env).join(' ').match(/inputs\.\w+/g)!.sort()).toEqual(Object.keys(action.inputs).map((name) => `inputs.${name}`).sort())
  expect(step.run).not.toContain('${{')
})

test('uploads a folder once, and downloads it into a fresh one', async () => {
  await write({ '.deepgram/vectorstore_metadata.json': '{"files":{}}', '.deepgram/a/b.txt': 'b', '.deepgram/c.tmp': 'c', '.deepgram/d.log': 'd' })
  const inputs = { mode: 'upload', prefix: '/state/', localPath: '.deepgram', exclude: '*.tmp\n*.log\n' }
  const first = await runAction(inputs, secrets())
  expect(first.stderr).toBe('')
  expect(first).toMatchObject({ status: 0, outputs: { transferred: '2', unchanged: '0', failed: '0' } })
  expect([...s3.objects.keys()].sort()).toEqual(['state/a/b.txt', 'state/vectorstore_metadata.json'])
  expect(first.summary).toMatch(/\| transferred \| size [\s\S]*\| 2 \| 13 B \| 0 /)
  const second = await runAction(inputs, secrets())
  expect(second).toMatchObject({ status: 0, outputs: { transferred: '0', unchanged: '2', requests: '1' } })
  const down = await runAction({ mode: 'download', prefix: 'state', localPath: 'restored' }, secrets())
  expect(down.outputs).toMatchObject({ transferred: '2' })
  expect(await readFile(join(root, 'work/restored/vectorstore_metadata.json'), 'utf8')).toBe('{"files":{}}')
  // Secrets are in the lines that the runner swallows, and nowhere else.
  for (const { stdout, stderr, summary } of [first, second, down]) {
    expect(stdout).toContain('::add-mask::tsec-def\n')
    expect(stdout.replace(/^::add-mask::.*$/gm, '') + stderr + summary).not.toMatch(/tsec-def|tid-abc/)
  }
})

describe('says what is missing, and where to set it', () => {
  test.each(['TIGRIS_ACCESS_KEY_ID', 'TIGRIS_SECRET_ACCESS_KEY', 'TIGRIS_ENDPOINT_URL', 'TIGRIS_BUCKET_NAME'])('%s', async (name) => {
    await write({ 'docs/a.md': 'a' })
    const { status, stdout, summary } = await runAction({ mode: 'upload', localPath: 'docs' }, { ...secrets(), [name]: '' })
    expect(status).toBe(2)
    expect(stdout).toMatch(new RegExp(`::error title=Windlass::${name} is not set: .*Settings -> Secrets and variables -> Actions.*gh secret set ${name}`))
    expect(summary).toContain(`${name.replaceAll('_', '\\_')} is not set`)
    expect(s3.objects.size).toBe(0)
  })

  test('a mode that is none, a folder that is not named', async () => {
    expect((await runAction({ mode: 'sync' }, secrets())).stdout).toContain('expected one of upload, download, vectorize, status, doctor')
    expect((await runAction({ mode: 'upload' }, secrets())).stdout).toContain('input localPath is empty')
  })
})

test('the names of AWS do as well; a file that fails fails the step, not the others', async () => {
  await write({ 'docs/a.md': 'a', 'docs/b.md': 'b' })
  s3.behave = ({ key }) => (key.endsWith('b.md') ? 403 : undefined)
  const env = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }
  const { status, outputs, stdout, summary } = await runAction({ mode: 'upload', bucket: 'bucket', endpoint: s3.url, region: 'us-east-1', localPath: 'docs' }, env)
  expect(status).toBe(1)
  expect(summary).toContain('- b.md: ')
  expect(outputs).toMatchObject({ transferred: '1', failed: '1' })
  expect(stdout).toContain('::error title=Windlass::1 file failed, the first is b.md')
  expect([...s3.objects.keys()]).toEqual(['a.md'])
})

test('vectorizes what is declared; the second time there is nothing to do', async () => {
  await write({
    'docs/a.md': '# Anchors\n\nThe windlass hauls the anchor.',
    'docs/b|c.md': '# Lanterns\n\nLanterns burn until morning.',
    'windlass.yaml': 'version: 1\nbucket: file:./bucket\nvectorizers:\n  - name: docs\n    source: { type: folder, path: docs }\n    destinations: [{ type: collection, name: docs }]\n',
  })
  const first = await runAction({ mode: 'vectorize' })
  expect(first).toMatchObject({ status: 0, outputs: { new: '2', failed: '0', 'chunks-embedded': '2' } })
  expect(first.summary).toMatch(/\| docs \| 2 \| 0 \|/)
  const second = await runAction({ mode: 'vectorize' })
  expect(second).toMatchObject({ status: 0, outputs: { new: '0', unchanged: '2', 'chunks-embedded': '0' } })
  const status = await runAction({ mode: 'status', name: 'docs' })
  expect(status).toMatchObject({ status: 0, outputs: { documents: '2' } })
  const other = await runAction({ mode: 'vectorize', name: 'other' })
  expect(other.status).toBe(4)
  expect(other.summary).toContain('Windlass failed')
})

test('the doctor leaves nothing behind', async () => {
  const { status, stdout } = await runAction({ mode: 'doctor', bucket: 'file:./bucket' })
  expect(status).toBe(0)
  expect(stdout).toContain('conditional writes hold')
  const store = await openStore(`file:${join(root, 'work/bucket')}`)
  const left: string[] = []
  for await (const { key } of store.list('')) left.push(key)
  expect(left).toEqual([])
})

test('the doctor ends with 1 where there is a problem, and says which', async () => {
  s3.behave = () => 403
  const { status, stdout, summary } = await runAction({ mode: 'doctor' }, secrets())
  expect(status).toBe(1)
  expect(stdout).toMatch(/^problem /m)
  expect(stdout).toMatch(/::error title=Windlass::doctor found \d+ problems?: \w+: /)
  expect(summary).toContain('Windlass failed')
})

describe('windlass init github', () => {
  const cli = (...words: string[]) => spawnSync(process.execPath, ['--import', pathToFileURL(join(repository, 'node_modules/tsx/dist/loader.mjs')).href, join(repository, 'src/cli/main.ts'), ...words], { cwd: join(root, 'work'), encoding: 'utf8', env: { PATH: process.env.PATH!, HOME: root } })
  const workflow = '.github/workflows/windlass.yml'

  test('writes a workflow and a declaration that hold, and prints the steps', async () => {
    await write({ 'docs/a.md': 'a' })
    const { stdout, status } = cli('init', 'github')
    expect(status).toBe(0)
    for (const name of Object.keys(secrets())) expect(stdout).toContain(`gh secret set ${name}`)
    expect(stdout).toContain('Settings -> Secrets and variables -> Actions')
    const text = await readFile(join(root, 'work', workflow), 'utf8')
    const { on, permissions, jobs } = parse(text) as { on: { push: { paths: string[] } }; permissions: object; jobs: Record<string, { steps: { run?: string; env?: Record<string, string> }[] }> }
    expect(on.push.paths).toContain('docs/**')
    expect(permissions).toEqual({ contents: 'read' })
    const last = jobs.vectorize!.steps.at(-1)!
    const { version } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8')) as { version: string }
    expect(last.run).toBe(`npx --yes windlass@${version} action`)
    expect(last.env).toMatchObject({ INPUT_MODE: 'vectorize', TIGRIS_REGION: '${{ secrets.TIGRIS_REGION }}' })
    // The declaration is one that `windlass vectorize` takes.
    spawnSync('git', ['init', '-q'], { cwd: join(root, 'work') })
    spawnSync('git', ['add', '.'], { cwd: join(root, 'work') })
    spawnSync('git', ['-c', 'user.name=n', '-c', 'user.email=e@example.com', 'commit', '-qm', 'first'], { cwd: join(root, 'work') })
    const preview = cli('vectorize', '--dry-run')
    expect(preview.stdout + preview.stderr).toContain('docs: 1 to vectorize')
  })

  test('replaces nothing that is there, unless it is told to', async () => {
    await write({ [workflow]: 'mine', 'windlass.yaml': 'mine too' })
    expect(cli('init', 'github')).toMatchObject({ status: 5, stderr: expect.stringContaining('is there already') as string })
    const dry = cli('init', 'github', '--dry-run', '--uses', 'someone/windlass/action@v1')
    expect(dry.stdout).toContain('uses: someone/windlass/action@v1')
    expect(parse(/# \.github[^\n]*\n([\s\S]*?)\n\n?windlass\.yaml is there/.exec(dry.stdout)![1]!)).toHaveProperty('jobs')
    expect(await readFile(join(root, 'work', workflow), 'utf8')).toBe('mine')
    expect(cli('init', 'github', '--force').status).toBe(0)
    expect(await readFile(join(root, 'work', workflow), 'utf8')).toContain('npx --yes windlass@')
    expect(await readFile(join(root, 'work/windlass.yaml'), 'utf8')).toBe('mine too')
    expect(await readdir(join(root, 'work'))).toEqual(['.github', 'windlass.yaml'])
  })
})
