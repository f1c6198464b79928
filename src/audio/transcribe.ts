import { throwIfAborted } from '../base/errors.ts'
import { sampleRate, type PcmSource } from './pcm.ts'
import type { Segment, Transcript, TranscriptLine } from './recording.ts'
import { cleanText, languageOfScript, type Heard, type Transcriber } from './transcriber.ts'

/** A passage of a transcript, as searches find it. */
export interface TranscriptChunk extends TranscriptLine {
  /** Its number in the recording, from 0. */
  readonly index: number
}

// A pause within what one person says is no reason to ask twice.
const joinSeconds = 2
const shortestSeconds = 0.3
const saveEvery = 12
const chunkSeconds = 60
const chunkLength = 700

/**
 * What is asked of a transcriber: what one person says without another in between, cut to what the transcriber takes at once. Pieces hold one speaker each,
 * so that what is said is never given to somebody else.
 */
export function piecesOf(segments: readonly Segment[], secondsMax: number): Segment[] {
  const joined: { speaker: string; start: number; end: number }[] = []
  for (const segment of [...segments].sort((a, b) => a.start - b.start)) {
    const last = joined.at(-1)
    if (last && last.speaker === segment.speaker && segment.start - last.end <= joinSeconds && Math.max(last.end, segment.end) - last.start <= secondsMax) last.end = Math.max(last.end, segment.end)
    else joined.push({ speaker: segment.speaker, start: segment.start, end: segment.end })
  }
  return joined.flatMap(({ speaker, start, end }) => {
    const count = Math.ceil((end - start) / secondsMax)
    return Array.from({ length: count }, (_, i) => ({ speaker, start: start + ((end - start) * i) / count, end: start + ((end - start) * (i + 1)) / count }))
  }).filter(({ start, end }) => end - start >= shortestSeconds)
}

/**
 * Transcribes a recording, a few pieces at a time.
 * @param begun What an earlier attempt of the same transcriber got; it goes on from there.
 * @param save Is called now and then with what there is, so that no more than that is lost with the process.
 */
export async function transcribe(
  pcm: PcmSource,
  { recording, segments, language }: { recording: string; segments: readonly Segment[]; language?: string | undefined },
  transcriber: Transcriber,
  { begun, save, signal }: { begun: Transcript | null; save: (transcript: Transcript) => Promise<void>; signal?: AbortSignal | undefined },
): Promise<Transcript> {
  const pieces = piecesOf(segments, transcriber.secondsMax)
  const isSame = begun?.transcriber === transcriber.name && begun.piecesTotal === pieces.length
  let transcript: Transcript = isSame ? begun : { formatVersion: 1, recording, transcriber: transcriber.name, piecesDone: 0, piecesTotal: pieces.length, lines: [] }
  while (transcript.piecesDone < pieces.length) {
    throwIfAborted(signal)
    const group = pieces.slice(transcript.piecesDone, transcript.piecesDone + saveEvery)
    const lines: TranscriptLine[][] = []
    // As many at once as the transcriber likes; a group holds at most twelve pieces of half a minute.
    for (let at = 0; at < group.length; at += transcriber.atOnce) {
      lines.push(...(await Promise.all(group.slice(at, at + transcriber.atOnce).map(async (piece) => {
        const samples = await pcm.read(Math.round(piece.start * sampleRate), Math.round(piece.end * sampleRate))
        return linesOf(piece, await transcriber.transcribe(samples, { ...(language !== undefined && { language }), signal }), language)
      }))))
    }
    transcript = { ...transcript, piecesDone: transcript.piecesDone + group.length, lines: [...transcript.lines, ...lines.flat()] }
    await save(transcript)
  }
  return transcript
}

function linesOf(piece: Segment, { text, language: heard, parts }: Heard, asked: string | undefined): TranscriptLine[] {
  const inside = (seconds: number) => round(Math.min(piece.end, Math.max(piece.start, piece.start + seconds)))
  const whole = [{ start: 0, end: piece.end - piece.start, text }]
  return (parts ?? whole).flatMap((part) => {
    const clean = cleanText(part.text)
    const language = asked ?? heard ?? languageOfScript(clean)
    return clean === '' ? [] : [{ speaker: piece.speaker, start: inside(part.start), end: inside(part.end), text: clean, ...(language !== undefined && { language }) }]
  })
}

/** Lines of one speaker that follow each other, joined to passages of up to a minute. */
export function chunksOf(lines: readonly TranscriptLine[]): TranscriptChunk[] {
  const chunks: TranscriptChunk[] = []
  for (const line of lines) {
    const last = chunks.at(-1)
    const fits = last && last.speaker === line.speaker && last.language === line.language && line.end - last.start <= chunkSeconds && last.text.length + line.text.length < chunkLength
    if (fits) chunks[chunks.length - 1] = { ...last, end: Math.max(last.end, line.end), text: `${last.text} ${line.text}` }
    else chunks.push({ ...line, index: chunks.length })
  }
  return chunks
}

/** The language that most of what is said is in. */
export function mainLanguage(lines: readonly TranscriptLine[]): string | undefined {
  const lengths = new Map<string, number>()
  for (const { language, text } of lines) if (language !== undefined) lengths.set(language, (lengths.get(language) ?? 0) + text.length)
  return [...lengths].sort((a, b) => b[1] - a[1])[0]?.[0]
}

/** Seconds to the millisecond. */
export function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}
