// npm run windlass -- <command>: the command line in a checkout; installs and builds what is missing or older than the sources.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(new URL('.', import.meta.url).pathname, '..')
export function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })
  if (status !== 0) process.exit(status ?? 1)
}
export function prepare() {
  if (!['commander', 'assemblyscript'].every((name) => existsSync(join(root, 'node_modules', name)))) run('npm', ['install', '--no-audit', '--no-fund'])
  const main = join(root, 'dist/cli/main.js')
  const newest = Math.max(...['src', 'console'].flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((path) => statSync(join(root, folder, path)).mtimeMs)))
  if (!existsSync(main) || statSync(main).mtimeMs < newest) run('npm', ['run', '--silent', 'build'])
}
export const main = join(root, 'dist/cli/main.js')
if (process.argv[1]?.endsWith('windlass.mjs')) {
  prepare()
  const { status } = spawnSync(process.execPath, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  process.exit(status ?? 1)
}
