import { throwIfAborted } from '../base/errors.ts'
import { clusterVoices, meanVoice } from './cluster-voices.ts'
import { sampleRate, type PcmSource, type Span } from './pcm.ts'
import { voiceDistance, type SpeakerEmbedder } from './speaker-embedder.ts'
import type { VoiceActivity } from './voice-activity.ts'

/** One person speaks, [start, end) in samples. */
export interface Turn extends Span {
  /** From 0, in the order in which they first speak. */
  readonly speaker: number
}

/** Who spoke when. */
export interface Diarization {
  /** In order of their starts. Turns of different speakers may overlap; those of one do not. */
  readonly turns: readonly Turn[]
  /** The voice of each speaker. */
  readonly voices: readonly Float32Array[]
}

/** Finds who speaks when in some minutes of sound: what knows overlapping speech. Speakers are numbered anew in every block. */
export interface BlockDiarizer {
  readonly name: string
  readonly blockSeconds: number
  turns(samples: Float32Array): Promise<readonly Turn[]>
}

/** What diarization is made of. */
export interface DiarizationParts {
  readonly voiceActivity: VoiceActivity
  readonly embedder: SpeakerEmbedder
  /** In place of the voice activity. */
  readonly blocks?: BlockDiarizer
}

const readSamples = 10 * sampleRate
const windowSamples = 2 * sampleRate
const hopSamples = sampleRate
// Shorter ones tell nothing of a voice; they go with their neighbors.
const shortestSamples = 0.6 * sampleRate
// One person who draws breath has not stopped speaking.
const pauseSamples = 0.5 * sampleRate
/** Who speaks less than this in all is nobody: a cough, or the moment in which two voices mix. */
const speakerSamplesMin = 2 * sampleRate
/** A moment of speech without a voice of its own belongs to who spoke no longer ago than this. */
const neighborSamples = sampleRate
/** Speech of a local speaker that its voice is taken from. */
const voiceSamplesMax = 30 * sampleRate

interface Voiced extends Span {
  readonly vector: Float32Array | null
}

/**
 * Says who speaks when. Memory: 10 seconds of sound (a block, with a `BlockDiarizer`), and a vector for each second of speech.
 * @param onProgress Is told how many samples are done.
 */
export async function diarize(pcm: PcmSource, parts: DiarizationParts, { signal, onProgress = () => undefined }: { signal?: AbortSignal | undefined; onProgress?: (samples: number) => void } = {}): Promise<Diarization> {
  const pieces = parts.blocks ? blockPieces(pcm, parts.blocks, parts.embedder, signal, onProgress) : windowPieces(pcm, parts, signal, onProgress)
  const found: Voiced[] = []
  for await (const piece of pieces) found.push(piece)
  const known = found.filter((piece): piece is Voiced & { vector: Float32Array } => piece.vector !== null)
  const weights = known.map(({ start, end }) => (end - start) / sampleRate)
  const labels = absorbSmall(known, weights, await clusterVoices(known.map(({ vector }) => vector), weights, parts.embedder), parts.embedder)
  const labelOf = new Map<Voiced, number>(known.map((piece, i) => [piece, labels[i]!]))
  const turns = joinTurns(withNeighbors(found, labelOf))
  return numbered(turns, known, weights, labels)
}

/** Speech cut into windows of two seconds, one each second; a window stands for the second around its middle. */
async function* windowPieces(pcm: PcmSource, { voiceActivity, embedder }: DiarizationParts, signal: AbortSignal | undefined, onProgress: (samples: number) => void): AsyncGenerator<Voiced> {
  const stream = await voiceActivity.start()
  for (let at = 0; at < pcm.sampleCount; at += readSamples) {
    throwIfAborted(signal)
    for (const span of await stream.push(await pcm.read(at, at + readSamples))) yield* embedSpan(pcm, span, embedder)
    onProgress(Math.min(pcm.sampleCount, at + readSamples))
  }
  for (const span of await stream.end()) yield* embedSpan(pcm, { start: span.start, end: Math.min(span.end, pcm.sampleCount) }, embedder)
}

async function* embedSpan(pcm: PcmSource, { start, end }: Span, embedder: SpeakerEmbedder): AsyncGenerator<Voiced> {
  const count = Math.max(1, Math.round((end - start - windowSamples) / hopSamples) + 1)
  // Spread over the span, so that all are of one length.
  const hop = count === 1 ? 0 : (end - start - windowSamples) / (count - 1)
  for (let i = 0, from = start; i < count; i++) {
    const first = Math.round(start + i * hop)
    const last = Math.min(end, first + windowSamples)
    const vector = last - first < shortestSamples ? null : await embedder.embed(await pcm.read(first, last))
    const to = i === count - 1 ? end : await quietMoment(pcm, Math.round(first + (windowSamples + hop) / 2))
    yield { start: from, end: to, vector }
    from = to
  }
}

const momentSamples = sampleRate / 50
const lookSamples = 0.4 * sampleRate

/** Where it is quietest near a sample: people take turns between words, not within them. */
async function quietMoment(pcm: PcmSource, around: number): Promise<number> {
  const samples = await pcm.read(around - lookSamples, around + lookSamples)
  let [best, bestEnergy] = [around, Infinity]
  for (let at = 0; at + 3 * momentSamples <= samples.length; at += momentSamples) {
    let energy = 0
    for (let i = at; i < at + 3 * momentSamples; i++) energy += samples[i]! ** 2
    if (energy < bestEnergy) [best, bestEnergy] = [around - lookSamples + at + Math.round(1.5 * momentSamples), energy]
  }
  return best
}

/** What a block diarizer finds, each local speaker with the voice of what it says alone. */
async function* blockPieces(pcm: PcmSource, blocks: BlockDiarizer, embedder: SpeakerEmbedder, signal: AbortSignal | undefined, onProgress: (samples: number) => void): AsyncGenerator<Voiced> {
  const blockSamples = Math.round(blocks.blockSeconds * sampleRate)
  for (let at = 0; at < pcm.sampleCount; at += blockSamples) {
    throwIfAborted(signal)
    const samples = await pcm.read(at, at + blockSamples)
    const turns = joinTurns([...(await blocks.turns(samples))].sort((a, b) => a.start - b.start))
    const vectors = new Map<number, Float32Array | null>()
    for (const speaker of new Set(turns.map((turn) => turn.speaker))) vectors.set(speaker, await embedder.embed(speechAlone(samples, turns, speaker)))
    for (const { start, end, speaker } of turns) yield { start: at + start, end: Math.min(at + end, pcm.sampleCount), vector: vectors.get(speaker)! }
    onProgress(Math.min(pcm.sampleCount, at + blockSamples))
  }
}

function speechAlone(samples: Float32Array, turns: readonly Turn[], speaker: number): Float32Array {
  const own = turns.filter((turn) => turn.speaker === speaker)
  const alone = aloneSpans(own, turns.filter((turn) => turn.speaker !== speaker))
  // Somebody who never speaks alone has no better voice than this.
  const parts = (alone.length > 0 ? alone : own).sort((a, b) => b.end - b.start - (a.end - a.start))
  const speech = new Float32Array(Math.min(voiceSamplesMax, parts.reduce((sum, { start, end }) => sum + end - start, 0)))
  let filled = 0
  for (const { start, end } of parts) {
    const part = samples.subarray(start, Math.min(end, start + speech.length - filled))
    speech.set(part, filled)
    filled += part.length
  }
  return speech
}

/** What of `spans` no span of `others` overlaps. Both in order of their starts. */
export function aloneSpans(spans: readonly Span[], others: readonly Span[]): Span[] {
  return spans.flatMap((span) => {
    const left: Span[] = []
    let from = span.start
    for (const other of others) {
      if (other.end <= from) continue
      if (other.start >= span.end) break
      if (other.start > from) left.push({ start: from, end: other.start })
      from = Math.max(from, other.end)
    }
    if (from < span.end) left.push({ start: from, end: span.end })
    return left
  })
}

/** Gives what small clusters have to the nearest large one, if there is one. */
function absorbSmall(pieces: readonly { readonly vector: Float32Array }[], weights: readonly number[], labels: readonly number[], { metric }: SpeakerEmbedder): number[] {
  const seconds = new Map<number, number>()
  for (const [i, label] of labels.entries()) seconds.set(label, (seconds.get(label) ?? 0) + weights[i]!)
  const large = [...seconds].filter(([, sum]) => sum * sampleRate >= speakerSamplesMin).map(([label]) => label)
  if (large.length === 0 || large.length === seconds.size) return [...labels]
  const isLarge = new Set(large)
  const voices = large.map((label) => voiceOf(label, pieces, weights, labels))
  return labels.map((label, i) => {
    if (isLarge.has(label)) return label
    const distances = voices.map((voice) => voiceDistance(voice, pieces[i]!.vector, metric))
    return large[distances.indexOf(Math.min(...distances))]!
  })
}

function voiceOf(label: number, pieces: readonly { readonly vector: Float32Array }[], weights: readonly number[], labels: readonly number[]): Float32Array {
  const own = [...labels.keys()].filter((i) => labels[i] === label)
  return meanVoice(own.map((i) => pieces[i]!.vector), own.map((i) => weights[i]!))
}

/** Pieces without a voice of their own go with the nearest that has one, or are nothing. */
function withNeighbors(pieces: readonly Voiced[], labelOf: ReadonlyMap<Voiced, number>): Turn[] {
  return pieces.flatMap((piece, i) => {
    const own = labelOf.get(piece)
    if (own !== undefined) return [{ start: piece.start, end: piece.end, speaker: own }]
    const near = [pieces[i - 1], pieces[i + 1]].filter((other) => other && labelOf.has(other)).map((other) => ({ gap: Math.max(piece.start - other!.end, other!.start - piece.end), speaker: labelOf.get(other!)! }))
    const [nearest] = near.sort((a, b) => a.gap - b.gap)
    return nearest && nearest.gap <= neighborSamples ? [{ start: piece.start, end: piece.end, speaker: nearest.speaker }] : []
  })
}

/** Turns of one speaker that overlap or are only a breath apart become one. */
export function joinTurns(turns: readonly Turn[]): Turn[] {
  const joined: { start: number; end: number; speaker: number }[] = []
  const last = new Map<number, { start: number; end: number; speaker: number }>()
  for (const turn of turns) {
    const before = last.get(turn.speaker)
    const isInterrupted = before !== undefined && joined.at(-1) !== before && joined.some((other) => other.speaker !== turn.speaker && other.start >= before.end && other.start < turn.start)
    if (before && turn.start - before.end <= pauseSamples && !isInterrupted) before.end = Math.max(before.end, turn.end)
    else {
      const added = { ...turn }
      joined.push(added)
      last.set(turn.speaker, added)
    }
  }
  return joined
}

function numbered(turns: readonly Turn[], pieces: readonly { readonly vector: Float32Array }[], weights: readonly number[], labels: readonly number[]): Diarization {
  const numbers = new Map<number, number>()
  const renumbered = turns.map((turn) => {
    if (!numbers.has(turn.speaker)) numbers.set(turn.speaker, numbers.size)
    return { ...turn, speaker: numbers.get(turn.speaker)! }
  })
  return { turns: renumbered, voices: [...numbers.keys()].map((label) => voiceOf(label, pieces, weights, labels)) }
}
