// npm start: installs, builds, indexes a sample of real text once, serves it, and says what to try next.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { main, prepare, root } from './windlass.mjs'

prepare()
process.chdir(root)
const marker = '.windlass/catalog/docs'
if (!existsSync(marker)) {
  console.log('Indexing a sample once: our documentation, and the documentation of the packages that npm installed …')
  const readmes = readdirSync('node_modules', { recursive: true }).filter((path) => path.endsWith('.md')).map((path) => `node_modules/${path}`)
  const { status } = spawnSync(process.execPath, [main, 'index', 'README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'docs', ...readmes, '--bucket', 'file:./.windlass', '--collection', 'docs'], { stdio: 'inherit' })
  if (status !== 0 && !existsSync(marker)) process.exit(status ?? 1)
}
const server = spawn(process.execPath, [main, 'serve', '--bucket', 'file:./.windlass', ...process.argv.slice(2)], { stdio: ['ignore', 'pipe', 'inherit'] })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.kill(signal))
let printed = ''
server.stdout.on('data', (part) => {
  process.stdout.write(part)
  if (printed === null) return
  printed += String(part)
  const [url] = /http:\S+/.exec(printed) ?? []
  if (!url) return
  printed = null
  console.log(`
Open ${url} in a browser: the console.
Or try, in another terminal:
  curl "${url}/v1/collections/docs/search?q=how+is+a+write+made+durable&k=3"
  npm run windlass -- search "parse command line options"
  npm run windlass -- index ~/Documents --collection mine
Ctrl-C stops it; what is indexed stays in ./.windlass`)
})
server.on('exit', (code) => process.exit(code ?? 1))
