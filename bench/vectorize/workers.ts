// Throughput of 1, 2 and 4 workers on one vectorizer, embedding over HTTP with a server that takes 50 ms a request.
// node --import tsx bench/vectorize/workers.ts [documents]
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from '../../src/index.ts'
import { startOpenAiDouble } from '../../test/doubles/openai/double.ts'

const documents = Number(process.argv[2] ?? 1500)
const bucketUrl = process.env.WINDLASS_BENCH_BUCKET
const scratch = mkdtempSync(join(tmpdir(), 'windlass-workers-'))
const folder = join(scratch, 'files')
mkdirSync(folder)
for (let i = 0; i < documents; i++) {
  const parts = Array.from({ length: 4 }, (_, j) => `## Part ${j}\n\nText ${j} of document ${i}, about topic ${(i * 7 + j) % 100} and nothing else.\n`)
  writeFileSync(join(folder, `${i}.md`), `# Document ${i}\n\n${parts.join('\n')}`)
}
const openai = await startOpenAiDouble({ embeddingMs: 50 })

async function endState(bucket: string): Promise<string> {
  const opened = await open(bucket)
  const keys: string[] = []
  for (let after: string | undefined; ; ) {
    const page = await (await opened.collection('c')).list({ limit: 1000, ...(after !== undefined && { after }) })
    keys.push(...page.rows.map(({ key }) => key))
    if (page.next === undefined) break
    after = page.next
  }
  await opened.close()
  return keys.sort().join('\n')
}

async function measure(workers: number, kills = 0): Promise<{ seconds: number; state: string; reports: { new: number; seconds: number }[] }> {
  const bucket = bucketUrl ? `${bucketUrl}/workers-${workers}-${kills}-${Date.now()}` : `file:${join(scratch, `bucket-${workers}-${kills}`)}`
  const config = join(scratch, `${workers}-${kills}.json`)
  const embedding = { provider: 'openai', model: 'text-embedding-3-small', dimension: 256, baseUrl: openai.url, batchTexts: 16, requestsAtOnce: 1 }
  const processing = { claimFiles: 16, filesAtOnce: 8, workerTimeout: '3s' }
  writeFileSync(config, JSON.stringify({ version: 1, bucket, vectorizers: [{ name: 'v', source: { type: 'folder', path: folder }, embedding, processing, destinations: [{ type: 'collection', name: 'c' }] }] }))
  const started = performance.now()
  const reports: { new: number; seconds: number }[] = []
  const run = (isKilled: boolean) =>
    new Promise<void>((resolve, reject) => {
      const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, '../../src/cli/main.ts'), 'vectorize', '--config', config, '--json'], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, OPENAI_API_KEY: openai.key } })
      let output = ''
      child.stdout.on('data', (part) => (output += String(part)))
      if (isKilled) setTimeout(() => child.kill('SIGKILL'), 6000)
      child.once('close', (code) => {
        if (isKilled) return resolve()
        if (code !== 0) return reject(new Error(`worker ended with ${code}: ${output}`))
        reports.push(...(JSON.parse(output) as typeof reports))
        resolve()
      })
    })
  await Promise.all(Array.from({ length: workers }, (_, i) => run(i < kills)))
  return { seconds: (performance.now() - started) / 1000, state: await endState(bucket), reports }
}

try {
  const alone = await measure(1)
  console.log(`| workers | seconds | documents a second | ratio |\n|---|---|---|---|`)
  const tell = (name: string, { seconds }: { seconds: number }) => console.log(`| ${name} | ${seconds.toFixed(1)} | ${(documents / seconds).toFixed(0)} | ${(alone.seconds / seconds).toFixed(2)} |`)
  tell('1', alone)
  for (const [workers, kills] of [[2, 0], [4, 0], [4, 1]] as const) {
    const result = await measure(workers, kills)
    tell(kills ? `${workers}, one killed after 6 s` : String(workers), result)
    if (result.state !== alone.state) throw new Error('the end state is another than that of one worker')
    console.error(result.reports.map(({ new: count, seconds }) => `${count} in ${seconds.toFixed(1)} s`).join(', '))
  }
} finally {
  await openai.close()
  rmSync(scratch, { recursive: true, force: true })
}
