// Asks: are `windlass push` and `pull` as fast as `aws s3 cp --recursive` and s5cmd, with 1,000 small files and with one of 1 GB?
//
// npm run build; AWS_ENDPOINT_URL=http://127.0.0.1:9000 AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… npx tsx bench/transfer/main.ts s3://bucket [rounds] [folder]
// `aws` (pinned in .ci/requirements.txt) and `s5cmd` are taken from the PATH, where they are there.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { measure, resultTable, rivals, windlass } from './measure.ts'

const [url = 's3://windlass-bench', rounds = '5', place = tmpdir()] = process.argv.slice(2)
// s5cmd knows only its own name for it.
process.env.S3_ENDPOINT_URL ??= process.env.AWS_ENDPOINT_URL
const tools = [windlass(true), ...rivals.filter(({ command }) => spawnSync('which', [command('up', '', '')[0]!]).status === 0)]
const folder = mkdtempSync(join(place, 'windlass-bench-'))
try {
  const tasks = [
    { name: '1,000 of 4 to 12 kB', count: 1000, bytes: [4096, 12_288] as const },
    { name: 'one of 1 GB', count: 1, bytes: [1e9, 1e9] as const },
  ]
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' }).trim()
  console.log(`${cpus().length} × ${cpus()[0]!.model}, Node ${process.version}, commit ${commit}, ${rounds} rounds\n`)
  console.log(resultTable(measure(tools, tasks, { url, folder, rounds: Number(rounds) })))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
