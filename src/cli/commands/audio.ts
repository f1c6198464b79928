import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { stat } from 'node:fs/promises'
import pc from 'picocolors'
import type { Recording } from '../../audio/recording.ts'
import { openParts } from '../../audio/open-parts.ts'
import { audioContentType } from '../../audio/content-type.ts'
import { systemClock } from '../../base/clock.ts'
import { errorPolicies, isWindlassError, messageOf, WindlassError } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import { audioSettings } from '../../config/audio.ts'
import { storeSettings } from '../../config/load.ts'
import type { AudioHandle } from '../../library/audio-handle.ts'
import { openStore } from '../../store/open-store.ts'
import { withModelFiles } from '../model-store.ts'
import { print, type Flags, type Session } from '../run.ts'
import { countText, markedText, printable, sizeText } from '../text.ts'

/** Opens the recordings of the session's bucket; Ctrl-C leaves the rest to the next process. */
async function withRecordings(session: Session, task: (audio: AudioHandle, signal: AbortSignal) => Promise<void>): Promise<void> {
  const { bucket, configuration } = session
  const settings = audioSettings(configuration)
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    await withModelFiles(configuration, async (models) => {
      const parts = () => openParts(settings, models, { clock: systemClock, random: systemRandom })
      const audio = await bucket.audio({ collection: settings.collection, scratch: settings.scratch, parts, onEvent: tell })
      try {
        await task(audio, stopping.signal)
      } finally {
        await audio.close()
      }
    })
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  }
}

function tell({ name, state, seconds }: { name: string; state: string; seconds?: number }): void {
  if (state === 'heard') {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${printable(name)}: listened to ${timeText(seconds ?? 0)}`)
  } else process.stderr.write(`${process.stderr.isTTY ? '\r\u001b[K' : ''}${printable(name)}: ${state}\n`)
}

/** `windlass audio add`. */
export async function addRecordings(session: Session, files: readonly string[], flags: Flags): Promise<void> {
  await withRecordings(session, async (audio, signal) => {
    const ids: string[] = []
    for (const file of files) {
      const bytes = await open(file, session)
      const { id } = await audio.add({ name: nameOf(file), contentType: audioContentType(file), bytes, ...(typeof flags.language === 'string' && { language: flags.language }) }, { signal })
      ids.push(id)
      if (!flags.json && flags.work === false) print(`${id}  ${printable(nameOf(file))}`)
    }
    const recordings: Recording[] = []
    for (const id of ids) recordings.push(flags.work === false ? await audio.get(id) : await audio.finish(id, signal))
    if (flags.json) print(JSON.stringify(recordings, null, 2))
    else if (flags.work !== false) for (const recording of recordings) tellRecording(recording)
    if (recordings.some(({ state }) => state === 'failed')) process.exitCode = errorPolicies.invalid.exitCode
  })
}

async function open(file: string, { configuration }: Session): Promise<AsyncIterable<Uint8Array>> {
  if (!file.startsWith('s3://')) {
    const found = await stat(file).catch((cause: unknown) => {
      throw new WindlassError('not-found', `${file}: ${messageOf(cause)}`, { path: file, cause })
    })
    if (!found.isFile()) throw new WindlassError('invalid', `${file} is no file`, { path: file })
    return createReadStream(file)
  }
  const cut = file.lastIndexOf('/')
  const [url, key] = [file.slice(0, cut), file.slice(cut + 1)]
  const store = await openStore(url, storeSettings(configuration))
  const head = key === '' ? null : await store.head(key)
  if (!head) throw new WindlassError('not-found', `${file} is not there`, { path: file })
  return readObject(store, key, head.size)
}

const partBytes = 4 * 1024 * 1024

async function* readObject(store: Awaited<ReturnType<typeof openStore>>, key: string, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; at += partBytes) {
    const answer = await store.get(key, { range: { start: at, end: Math.min(size, at + partBytes) } })
    if (answer.kind !== 'found') throw new WindlassError('not-found', `${store.url}/${key} was removed while it was read`, { key })
    yield answer.bytes
  }
  await store.close?.()
}

const nameOf = (file: string) => basename(file)

/** `windlass audio ls`. */
export async function listRecordings(session: Session, flags: Flags): Promise<void> {
  await withRecordings(session, async (audio) => {
    const all: Recording[] = []
    for (let after: string | undefined; ; ) {
      const { recordings, next } = await audio.list(after === undefined ? {} : { after })
      if (flags.json) all.push(...recordings)
      else for (const recording of recordings) print(lineOf(recording))
      if (!flags.json && recordings.length === 0 && after === undefined) print('no recordings')
      if (next === undefined) break
      after = next
    }
    if (flags.json) print(JSON.stringify(all, null, 2))
  })
}

function lineOf({ id, name, state, seconds, sizeBytes, language, speakers, error }: Recording): string {
  const length = seconds === undefined ? sizeText(sizeBytes) : timeText(seconds)
  const who = speakers.length === 0 ? '' : `, ${countText(speakers.length, 'speaker')}`
  return `${id}  ${printable(name)}  ${length}${who}${language === undefined ? '' : `, ${language}`}  ${state}${error === undefined ? '' : `: ${printable(error)}`}`
}

function tellRecording(recording: Recording): void {
  print(lineOf(recording))
  for (const { id, name, seconds, snippetSeconds, voiceDistance } of recording.speakers) {
    const known = name === undefined ? '' : `  ${printable(name)}${voiceDistance === undefined ? '' : ` (by voice, ${voiceDistance.toFixed(2)} away)`}`
    print(`    ${id}${known}  speaks ${timeText(seconds)}${snippetSeconds === undefined ? '' : `, snippet of ${snippetSeconds.toFixed(0)} s`}`)
  }
  if (recording.transcriber === null) print('    not transcribed: set WINDLASS_AUDIO_TRANSCRIBER, then `windlass audio work --again ' + recording.id + '`')
}

/** `windlass audio show`. */
export async function showRecording(session: Session, id: string, flags: Flags): Promise<void> {
  await withRecordings(session, async (audio) => {
    const { recording, segments, transcript } = await audio.show(id)
    const snippets = await Promise.all(recording.speakers.flatMap((speaker) => (speaker.snippetSeconds === undefined ? [] : [audio.snippetLink(id, speaker.id).then((link) => [speaker.id, link] as const)])))
    if (flags.json) return print(JSON.stringify({ ...recording, segments: segments?.segments ?? [], transcript: transcript?.lines ?? [], snippets: Object.fromEntries(snippets) }, null, 2))
    tellRecording(recording)
    for (const [speaker, link] of snippets) print(`    ${speaker}: ${link}`)
    const names = new Map(recording.speakers.map((speaker) => [speaker.id, speaker.name ?? speaker.id]))
    for (const line of transcript?.lines ?? []) print(`${pc.dim(timeText(line.start))}  ${pc.cyan(printable(names.get(line.speaker) ?? line.speaker))}  ${printable(line.text)}`)
    if (!transcript) for (const { speaker, start, end } of segments?.segments ?? []) print(`${pc.dim(`${timeText(start)} - ${timeText(end)}`)}  ${pc.cyan(printable(names.get(speaker) ?? speaker))}`)
  })
}

/** `windlass audio search`. */
export async function searchRecordings(session: Session, question: string, flags: Flags): Promise<void> {
  const k = Number(flags.k ?? 5)
  if (!Number.isInteger(k) || k < 1) throw new WindlassError('invalid', `-k is ${String(flags.k)}, expected a whole number from 1`, { path: 'k' })
  await withRecordings(session, async (audio) => {
    const hits = await audio.search(question, { k, ...(typeof flags.filter === 'string' && { filter: parseFilter(flags.filter) }) })
    if (flags.json) return print(JSON.stringify(hits, null, 2))
    for (const { name, recording, speaker, speakerName, start, end, text, highlights, score, snippet } of hits) {
      print(`${pc.bold(pc.cyan(printable(name)))}:${timeText(start)}-${timeText(end)}  ${printable(speakerName ?? speaker)}  ${pc.dim(score.toFixed(3))}`)
      print(`    ${markedText(text, { start: 0, end: Math.min(text.length, 320) }, highlights, (part) => pc.yellow(part))}`)
      print(pc.dim(`    ${recording}  ${snippet}\n`))
    }
    if (hits.length === 0) print('nothing found')
  })
}

function parseFilter(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new WindlassError('invalid', `--filter is not JSON: ${messageOf(cause)}`, { path: 'filter', cause })
  }
}

/** `windlass audio name`. */
export async function nameSpeaker(session: Session, id: string, speaker: string, name: string): Promise<void> {
  await withRecordings(session, async (audio) => tellRecording(await audio.name(id, speaker, name)))
}

/** `windlass audio rm`. */
export async function removeRecording(session: Session, id: string): Promise<void> {
  await withRecordings(session, async (audio) => {
    await audio.remove(id)
    print(`removed recording ${id}`)
  })
}

/** `windlass audio work`. */
export async function workOnRecordings(session: Session, flags: Flags): Promise<void> {
  await withRecordings(session, async (audio, signal) => {
    if (typeof flags.again === 'string') await audio.again(flags.again)
    const results = await audio.work(signal)
    for (const { id, recording, error } of results) {
      if (recording) tellRecording(recording)
      else print(`${id}: ${messageOf(error)}`)
    }
    if (results.length === 0) print('nothing to do')
    const failed = results.find(({ error }) => error !== undefined)?.error
    if (failed) process.exitCode = isWindlassError(failed) ? errorPolicies[failed.kind].exitCode : 1
  })
}

/** 1:02:03, 2:03. */
function timeText(seconds: number): string {
  const whole = Math.floor(seconds)
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const padded = (value: number) => String(value).padStart(2, '0')
  return hours > 0 ? `${hours}:${padded(minutes)}:${padded(rest)}` : `${minutes}:${padded(rest)}`
}
