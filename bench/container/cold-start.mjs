// What would be in the container image, and how long it takes from the start of the process to the first answers.
//   npm run build && node bench/container/cold-start.mjs
// There is no Docker in it: the folder /app of the image is made as templates/container/Dockerfile makes it, and run here.
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'windlass-container-'))
const rounds = Number(process.argv[2] ?? 7)
const run = (command, args, options = {}) => execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options })
const sizeOf = (path) => readdirSync(path, { recursive: true, withFileTypes: true }).reduce((sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0), 0)
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`

try {
  const app = join(folder, 'app')
  mkdirSync(app)
  copyFileSync(join(root, 'templates/container/healthcheck.mjs'), join(app, 'healthcheck.mjs'))
  const packed = run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', app], { cwd: root }).trim().split('\n').at(-1)
  console.log(`package: ${megabytes(statSync(join(app, packed)).size)}`)
  run('npm', ['init', '--yes'], { cwd: app })
  run('npm', ['install', '--omit=dev', '--omit=peer', '--no-audit', '--no-fund', `./${packed}`], { cwd: app })
  rmSync(join(app, packed))
  const modules = join(app, 'node_modules')
  console.log(`installed: ${megabytes(sizeOf(modules))}, ${readdirSync(modules, { recursive: true }).length} entries`)
  run('find', [modules, '(', '-name', '*.d.ts', '-o', '-name', '*.d.cts', '-o', '-name', '*.d.mts', '-o', '-name', '*.map', '-o', '-name', '*.md', '!', '-path', '*/models/*', ')', '-type', 'f', '-delete'])
  console.log(`/app of the image: ${megabytes(sizeOf(app))}`)
  run('tar', ['czf', join(folder, 'app.tgz'), '-C', folder, 'app'])
  console.log(`/app of the image, compressed as a layer is: ${megabytes(statSync(join(folder, 'app.tgz')).size)}`)

  const main = join(modules, 'windlass/dist/cli/main.js')
  const bucket = `file:${join(folder, 'bucket')}`
  run(process.execPath, [main, 'index', join(root, 'docs'), join(root, 'README.md'), '--bucket', bucket], { stdio: 'ignore' })
  const times = []
  for (let round = 0; round < rounds; round++) times.push(await coldStart(main, bucket))
  for (const what of ['listening', 'health', 'search', 'processor']) {
    const sorted = times.map((time) => time[what]).sort((a, b) => a - b)
    console.log(`${what}: median ${Math.round(sorted[sorted.length >> 1])} ms, worst ${Math.round(sorted.at(-1))} ms of ${rounds}`)
  }
  console.log(`load of this machine: ${loadavg()[0].toFixed(1)} on ${cpus().length} cores`)
  console.log(`memory after the first search: ${megabytes(Math.max(...times.map(({ memory }) => memory)))}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Milliseconds from the start of the process to each. */
async function coldStart(main, bucket) {
  const started = performance.now()
  const server = spawn(process.execPath, [main, 'serve', '--bucket', bucket, '--port', '0'], { env: { ...process.env, WINDLASS_LOG_LEVEL: 'error', WINDLASS_SCRATCH: folder }, stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    let output = ''
    const url = await new Promise((resolve) => server.stdout.on('data', (part) => (output += part) && /http:\S+/.test(output) && resolve(/http:\S+/.exec(output)[0])))
    const listening = performance.now() - started
    await (await fetch(`${url}/health`)).text()
    const health = performance.now() - started
    const { passages } = await (await fetch(`${url}/v1/collections/docs/search?q=how+is+a+write+made+durable`)).json()
    if (!passages?.length) throw new Error('the search found nothing')
    const search = performance.now() - started
    const memory = Number(/^(\d+)/.exec(execFileSync('ps', ['-o', 'rss=', '-p', String(server.pid)], { encoding: 'utf8' }).trim())[1]) * 1024
    // Ticks of 10 ms; what a quiet core would take at least, however busy this machine is.
    const [, , user, system] = /\) \S+ (?:\S+ ){10}((\d+) (\d+))/.exec(readFileSync(`/proc/${server.pid}/stat`, 'utf8')) ?? []
    return { listening, health, search, memory, processor: (Number(user) + Number(system)) * 10 }
  } finally {
    server.kill('SIGTERM')
    await new Promise((resolve) => server.once('exit', resolve))
  }
}
