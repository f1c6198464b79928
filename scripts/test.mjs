// npm test: installs what is missing, checks types and habits, then runs every test that needs neither servers nor keys.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..')
const run = (command, args) => {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })
  if (status !== 0) process.exit(status ?? 1)
}
if (!['vitest', 'assemblyscript'].every((name) => existsSync(join(root, 'node_modules', name)))) run('npm', ['install', '--no-audit', '--no-fund'])
run('node', ['scripts/build-kernels.mjs'])
run('npx', ['tsc', '-p', 'tsconfig.json'])
run('npx', ['eslint', '.'])
run('npx', ['vitest', 'run', ...process.argv.slice(2)])
