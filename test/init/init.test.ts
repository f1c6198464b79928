// `windlass init`: what it writes and prints is what the programs take that it is meant for.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parse as parseEnv } from 'dotenv'
import { parse as parseYaml } from 'yaml'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { inputShapes } from '../../src/api/s3vectors/model.ts'
import { Configuration } from '../../src/config/configuration.ts'
import { settingSpecs } from '../../src/config/settings.ts'
import { startS3Double } from '../doubles/s3/double.ts'
import { startTestServer } from '../http/testing.ts'

// Each of these starts programs, one after another.
vi.setConfig({ testTimeout: 180_000 })
const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'windlass-init-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const work = join(folder, 'work')
beforeEach(() => {
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work)
})

const tsx = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href
const environment = (more: Record<string, string> = {}) => ({ PATH: process.env.PATH!, HOME: folder, ...more })
const init = (words: string[], more: Record<string, string> = {}) => spawnSync(process.execPath, ['--import', tsx, join(root, 'src/cli/main.ts'), 'init', ...words], { cwd: work, encoding: 'utf8', env: environment(more) })
/** While this process serves what the other one asks. */
async function initBeside(words: string[], more: Record<string, string>): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--import', tsx, join(root, 'src/cli/main.ts'), 'init', ...words], { cwd: work, env: environment(more) })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (part) => (stdout += String(part)))
  child.stderr.on('data', (part) => (stderr += String(part)))
  await new Promise((resolve) => child.once('close', resolve))
  return { status: child.exitCode, stdout, stderr }
}
const read = (path: string) => readFileSync(join(work, path), 'utf8')
const policiesIn = (text: string) => [...text.matchAll(/^\{\n[\s\S]*?^\}$/gm)].map(([json]) => JSON.parse(json) as { Statement: { Action: string | string[]; Resource: string }[] })

describe('s3', () => {
  test('a .env that the settings are read from, with every variable in it', () => {
    const { status, stdout } = init(['s3', 'my-docs/prod', 'eu-west-1'])
    expect([status, stdout]).toEqual([0, expect.stringContaining('wrote .env')])
    expect(statSync(join(work, '.env')).mode & 0o777).toBe(0o600)
    const configuration = Configuration.read({ environment: {}, envFile: parseEnv(read('.env')) })
    expect(configuration.bucket().url).toBe('s3://my-docs/prod')
    expect([configuration.text('region'), configuration.warnings]).toEqual(['eu-west-1', []])
    for (const variable of settingSpecs.flatMap(({ variables }) => variables)) expect(read('.env'), variable).toMatch(new RegExp(`\\b${variable}\\b`))
    expect(stdout).toContain('aws s3 mb s3://my-docs --region eu-west-1')
  })

  test('the policy has four actions, on the bucket and below the prefix', () => {
    const [policy] = policiesIn(init(['s3', 'my-docs/prod', '--dry-run']).stdout)
    expect(policy!.Statement.flatMap(({ Action, Resource }) => [Action].flat().map((action) => [action, Resource]))).toEqual([
      ['s3:ListBucket', 'arn:aws:s3:::my-docs'],
      ['s3:GetObject', 'arn:aws:s3:::my-docs/prod/*'],
      ['s3:PutObject', 'arn:aws:s3:::my-docs/prod/*'],
      ['s3:DeleteObject', 'arn:aws:s3:::my-docs/prod/*'],
    ])
    expect(init(['s3', 'my-docs', 'cn-north-1', '--dry-run']).stdout).toContain('arn:aws-cn:s3:::my-docs/*')
  })

  test('again: nothing changes; other contents are replaced only by force; a dry run writes nothing', () => {
    init(['s3', 'my-docs', '--dry-run'])
    expect(readdirSync(work)).toEqual([])
    writeFileSync(join(work, '.env'), 'MINE=1\n')
    expect(init(['s3', 'my-docs'])).toMatchObject({ status: 5, stderr: expect.stringContaining('.env is there already, with other contents') as string })
    expect(read('.env')).toBe('MINE=1\n')
    expect(init(['s3', 'my-docs', '--force']).status).toBe(0)
    expect(statSync(join(work, '.env')).mode & 0o777, 'of its owner alone').toBe(0o600)
    const written = read('.env')
    expect(init(['s3', 'my-docs'])).toMatchObject({ status: 0, stdout: expect.stringContaining('as it should be') as string })
    expect(read('.env')).toBe(written)
    expect(init(['s3', 'No_Bucket'])).toMatchObject({ status: 2 })
  })
})

describe('s3vectors', () => {
  test('the commands of the AWS CLI have the options that the service model has, and all that it requires', () => {
    const { stdout } = init(['s3vectors', 'docs', 'main', 'us-west-2', '--dimension', '768'])
    const commands = stdout.split('\n').filter((line) => line.startsWith('aws s3vectors '))
    expect(commands).toHaveLength(2)
    for (const command of commands) {
      const [, , operation = '', ...words] = command.split(' ')
      const name = operation.replace(/(^|-)([a-z])/g, (_, __, letter: string) => letter.toUpperCase())
      const shape = (inputShapes as Record<string, { members: Record<string, unknown>; required: readonly string[] }>)[name]!
      const options = words.filter((word) => word.startsWith('--') && !['--region', '--endpoint-url'].includes(word)).map((word) => word.slice(2).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()))
      for (const option of options) expect(Object.keys(shape.members)).toContain(option)
      expect(options).toEqual(expect.arrayContaining([...shape.required]))
    }
    expect(commands[1]).toContain('--dimension 768')
    const configuration = Configuration.read({ environment: {}, envFile: parseEnv(read('.env')) })
    expect([configuration.collection(), configuration.number('dimension'), configuration.text('engine')]).toEqual(['docs/main', 768, 's3vectors:docs/main'])
  })

  test('the least policy names operations of the service, and no wildcard; the simple one is a wildcard', () => {
    const [least, simple] = policiesIn(init(['s3vectors', 'docs', 'main', '--dry-run']).stdout)
    const actions = least!.Statement.flatMap(({ Action }) => Action)
    expect(actions).toContain('s3vectors:GetVectors')
    for (const action of actions) expect(Object.keys(inputShapes)).toContain(action.replace('s3vectors:', ''))
    expect(simple!.Statement[0]).toMatchObject({ Action: 's3vectors:*', Resource: '*' })
  })

  test('--create makes both, and the second time they are there', async () => {
    const server = await startTestServer()
    try {
      const keys = { AWS_ACCESS_KEY_ID: 'any', AWS_SECRET_ACCESS_KEY: 'any' }
      const create = () => initBeside(['s3vectors', 'docs', 'main', '--endpoint', server.url, '--create'], keys)
      expect((await create()).stdout).toContain('made vector bucket docs\nmade index docs/main')
      expect(await create()).toMatchObject({ status: 0, stdout: expect.stringContaining('vector bucket docs is there already\nindex docs/main is there already') as string })
    } finally {
      await server.stop()
    }
  })
})

describe('models', () => {
  const keys = { AWS_ACCESS_KEY_ID: 'any', AWS_SECRET_ACCESS_KEY: 'any' }

  test('makes the bucket, in us-east-1 without a location, elsewhere with it; again it is there', async () => {
    const s3 = await startS3Double()
    try {
      const models = (bucket: string, region: string) => initBeside(['models', bucket, region], { ...keys, AWS_ENDPOINT_URL: s3.url })
      expect(await models('models-east', 'us-east-1')).toMatchObject({ status: 0, stderr: '' })
      const again = await models('models-east', 'us-east-1')
      expect([again.status, again.stdout]).toEqual([0, expect.stringContaining('s3://models-east is there, in us-east-1')])
      expect(again.stdout.match(new RegExp(`AWS_ENDPOINT_URL( = "|=)${s3.url}\\b`, 'g')), '.env, Koyeb, Fly, Docker, Lambda').toHaveLength(5)
      expect(again.stdout, 'users of AWS').not.toContain('aws iam')
      expect((await initBeside(['models', 'models-east', 'us-east-1', '--dry-run'], { AWS_ENDPOINT_URL_S3: s3.url })).stdout).toContain(`would make: aws s3 mb s3://models-east --region us-east-1 --endpoint-url ${s3.url}\n`)
      await models('models-west', 'eu-west-1')
      expect(s3.made.get('models-east')).not.toContain('LocationConstraint')
      expect(s3.made.get('models-west')).toContain('<LocationConstraint>eu-west-1</LocationConstraint>')
      const actions = policiesIn(again.stdout)[0]!.Statement.flatMap(({ Action }) => Action)
      expect(actions.sort()).toEqual(['s3:DeleteObject', 's3:GetObject', 's3:ListBucket', 's3:PutObject'])
      for (const words of ['S3_BUCKET=models-east', 'S3_REGION=us-east-1', 'koyeb secrets create', 'fly secrets set', 'docker run', 'aws lambda update-function-configuration']) expect(again.stdout).toContain(words)
      expect(readdirSync(work)).toEqual([])
    } finally {
      await s3.close()
    }
  })

  test('a bucket that lies in another region is told', async () => {
    const s3 = await startS3Double({ bucket: 'models', region: 'eu-west-3' })
    try {
      expect(await initBeside(['models', 'models', 'us-east-1'], { ...keys, AWS_ENDPOINT_URL: s3.url })).toMatchObject({ status: 2, stderr: expect.stringContaining('lies in region eu-west-3') as string })
    } finally {
      await s3.close()
    }
  })
})

describe('hosts', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const settings = { S3_BUCKET: 'my-docs', S3_REGION: 'eu-west-1' }

  test('docker: an image of this version, as an ordinary user, with a health check; compose with a read-only root', () => {
    expect(init(['docker'], settings).status).toBe(0)
    const dockerfile = read('Dockerfile')
    expect(dockerfile).toContain(`ARG WINDLASS=windlass@${version}`)
    const instructions = dockerfile.replace(/\\\n/g, '').split('\n').filter((line) => /^[A-Z]/.test(line)).map((line) => line.split(' ')[0])
    expect(new Set(instructions)).toEqual(new Set(['FROM', 'ARG', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'USER', 'EXPOSE', 'STOPSIGNAL', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD']))
    expect(instructions.filter((each) => each === 'FROM')).toHaveLength(2)
    expect(dockerfile).toMatch(/^USER node$/m)
    const compose = parseYaml(read('compose.yaml')) as { services: { windlass: Record<string, unknown> } }
    expect(compose.services.windlass).toMatchObject({ read_only: true, cap_drop: ['ALL'], env_file: '.env' })
    expect(read('.dockerignore')).toContain('.env\n')
    // What the image sets are settings that exist.
    const variables = new Set<string>(settingSpecs.flatMap(({ variables }) => variables))
    for (const [, name] of dockerfile.matchAll(/\b(WINDLASS_[A-Z_]+)=/g)) expect(variables).toContain(name)
  })

  test("docker: the health check asks for health with the server's own key, and fails where nobody answers", async () => {
    const keys = JSON.stringify([{ id: 'main', secret: 'secret-0123456789abcdef', role: 'read' }])
    const server = await startTestServer({ keys })
    const check = (more: Record<string, string>) =>
      new Promise<number | null>((resolve) => spawn(process.execPath, [join(root, 'templates/container/healthcheck.mjs')], { env: environment(more), stdio: 'ignore' }).once('close', resolve))
    const port = String(server.server.port)
    expect(await check({ WINDLASS_PORT: port, WINDLASS_KEYS: keys })).toBe(0)
    expect(await check({ WINDLASS_PORT: port, WINDLASS_KEYS: '@/run/secrets/keys' })).toBe(0)
    await server.stop()
    expect(await check({ WINDLASS_PORT: port, WINDLASS_KEYS: keys })).toBe(1)
  })

  test("koyeb: the script calls the CLI with flags that it has, and every variable arrives", () => {
    expect(init(['koyeb', '--name', 'search'], settings).status).toBe(0)
    const bin = join(folder, 'bin')
    mkdirSync(bin, { recursive: true })
    writeFileSync(join(bin, 'koyeb'), '#!/bin/sh\nfor each in "$@"; do printf "%s\\n" "$each"; done\n')
    chmodSync(join(bin, 'koyeb'), 0o755)
    const { status, stdout } = spawnSync('sh', ['koyeb.sh', 'github.com/me/search'], { cwd: work, encoding: 'utf8', env: environment({ PATH: `${bin}:${process.env.PATH}` }) })
    expect(status).toBe(0)
    const words = stdout.trim().split('\n')
    expect(words.slice(0, 3)).toEqual(['apps', 'init', 'search'])
    // Of the reference of Koyeb's CLI: koyeb.com/docs/build-and-deploy/cli/reference, "koyeb apps init".
    const flags = ['--git', '--git-builder', '--git-docker-dockerfile', '--instance-type', '--regions', '--ports', '--routes', '--checks', '--env']
    for (const word of words.filter((each) => each.startsWith('--'))) expect(flags).toContain(word)
    const variables = words.filter((_, i) => words[i - 1] === '--env')
    expect(variables).toEqual(['S3_BUCKET=my-docs', 'S3_REGION=eu-west-1', 'WINDLASS_MEMORY_BUDGET=64MiB', 'AWS_ACCESS_KEY_ID={{secret.aws-access-key-id}}', 'AWS_SECRET_ACCESS_KEY={{secret.aws-secret-access-key}}', 'WINDLASS_KEYS={{secret.windlass-keys}}'])
  })

  test('fly and lambda', () => {
    expect(init(['fly'], settings).status).toBe(0)
    expect(read('fly.toml')).toMatch(/^app = "windlass"\n[\s\S]*S3_BUCKET = "my-docs"\n[\s\S]*WINDLASS_MEMORY_BUDGET = "128MiB"\n[\s\S]*internal_port = 8900\n[\s\S]*path = "\/ready"/m)
    const lambda = init(['lambda'], settings)
    expect(read('template.yaml')).toBe(readFileSync(join(root, 'templates/sam/template.yaml'), 'utf8'))
    expect(policiesIn(lambda.stdout)[0]!.Statement.flatMap(({ Action }) => Action)).toHaveLength(4)
    expect(lambda.stdout).toContain('sam deploy')
  })
})
