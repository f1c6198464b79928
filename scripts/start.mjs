// npm start: installs, builds, indexes a sample of real text once, and says what to try next.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { main, prepare } from './windlass.mjs'

prepare()
const root = join(new URL('.', import.meta.url).pathname, '..')
process.chdir(root)
if (!existsSync('.windlass/catalog')) {
  console.log('Indexing a sample: our documentation, and the READMEs of the packages that npm installed …')
  const packages = readdirSync('node_modules').flatMap((name) => (name.startsWith('@') ? readdirSync(`node_modules/${name}`).map((inner) => `${name}/${inner}`) : [name]))
  const readmes = packages.map((name) => `node_modules/${name}/README.md`).filter((path) => existsSync(path))
  spawnSync(process.execPath, [main, 'index', 'README.md', 'CONTRIBUTING.md', 'docs', ...readmes], { stdio: 'inherit' })
}
console.log(`
Try next:
  npm run windlass -- search "how is a write made durable"
  npm run windlass -- index ./docs --collection mine
  npm run windlass -- ls docs`)
