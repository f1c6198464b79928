// Processes that are killed: what they had is kept, and the next one finishes it.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { encodeWav } from '../../src/audio/wav.ts'
import { open } from '../../src/index.ts'
import { startTranscription, type TranscriptionDouble } from '../doubles/transcription.ts'
import { exited, killAll, runBeside, start, wait } from '../process/processes.ts'
import { converse, voices } from './voices.ts'

let folder: string
let server: TranscriptionDouble
let taken = 0
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'windlass-audio-kill-'))
  taken = 0
  server = await startTranscription(() => {
    // The first process gets through one group of pieces, and waits for the rest until it dies.
    if (++taken === 16) server.hold()
    return { text: `saying number ${taken}` }
  })
})
afterEach(async () => {
  killAll()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

test('killed while it transcribes: the next process goes on where it was, and nothing is left on the disk', async () => {
  const { samples } = converse(Array.from({ length: 20 }, (_, i) => ({ voice: i % 2 ? voices.omer : voices.dana, seconds: 3, pause: 0.7 })))
  const file = join(folder, 'meeting.wav')
  writeFileSync(file, encodeWav(samples))
  const scratch = mkdtempSync(join(folder, 'scratch-'))
  const env = { WINDLASS_BUCKET: `file:${join(folder, 'bucket')}`, WINDLASS_SCRATCH: scratch, WINDLASS_AUDIO_TRANSCRIBER: 'openai:double', WINDLASS_TRANSCRIPTION_URL: server.url }
  const first = start(['audio', 'add', file], env)
  while (server.journal.length < 16 && first.exitCode === null) await wait(20)
  expect(first.exitCode).toBeNull()
  first.kill('SIGKILL')
  await exited(first)
  expect(readdirSync(scratch)).toEqual([])
  await server.close()
  const asked: number[] = []
  const other = await startTranscription((heard) => ({ text: `word ${asked.push(heard.seconds)}` }))
  try {
    const again = { ...env, WINDLASS_TRANSCRIPTION_URL: other.url }
    const [one, two] = await Promise.all([runBeside(['audio', 'work'], again), runBeside(['audio', 'work'], again)])
    expect([one.status, two.status], one.stderr + two.stderr).toEqual([0, 0])
    const bucket = await open(env.WINDLASS_BUCKET)
    const audio = await bucket.audio()
    const [recording] = (await audio.list()).recordings
    expect(recording).toMatchObject({ name: 'meeting.wav', state: 'done', speakers: [{ id: 'speaker-1' }, { id: 'speaker-2' }] })
    for (const { snippetSeconds } of recording!.speakers) expect(snippetSeconds).toBeGreaterThan(14)
    const { transcript } = await audio.show(recording!.id)
    expect(transcript!.lines).toHaveLength(20)
    // What the first one had saved is there, and was not asked for again.
    expect(transcript!.lines.filter(({ text }) => text.startsWith('saying'))).toHaveLength(12)
    expect(await audio.work()).toEqual([])
    await bucket.close()
    const found = await runBeside(['audio', 'search', 'saying number 7', '-k', '1'], again)
    expect(found.stdout).toMatch(/meeting\.wav:\d+:\d\d-\d+:\d\d {2}speaker-\d[^]*saying number 7/)
    expect(readdirSync(scratch)).toEqual([])
  } finally {
    await other.close()
  }
}, 180_000)
