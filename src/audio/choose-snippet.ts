import { aloneSpans, type Turn } from './diarize.ts'
import { sampleRate, type PcmSource, type Span } from './pcm.ts'

// At the edges of a turn others may still be heard.
const edgeSamples = 0.1 * sampleRate
const shortestSamples = 0.4 * sampleRate
const fadeSamples = 0.01 * sampleRate
// Louder does not make it clearer.
const loudEnoughDb = 40
const clippedPenaltyDb = 25
const clippedAt = 0.985

interface Second extends Span {
  /** Decibels above -60 dB of full scale, up to a bound; less where it is clipped. */
  readonly levelDb: number
}

/**
 * The best speech of each speaker: where nobody else speaks, the stretch of `seconds` that is clearest, by its level and the absence of clipping. Where no turn is so
 * long, the longest and clearest parts, in their order.
 * @returns For each speaker what to cut, in order; empty where a speaker never speaks alone.
 */
export async function chooseSnippets(pcm: PcmSource, turns: readonly Turn[], speakerCount: number, seconds: number): Promise<Span[][]> {
  const chosen: Span[][] = []
  for (let speaker = 0; speaker < speakerCount; speaker++) {
    const own = turns.filter((turn) => turn.speaker === speaker)
    const alone = aloneSpans(own, turns.filter((turn) => turn.speaker !== speaker))
    const inner = alone.map(({ start, end }) => ({ start: start + (end - start > 4 * edgeSamples ? edgeSamples : 0), end: end - (end - start > 4 * edgeSamples ? edgeSamples : 0) }))
    chosen.push(await bestOf(pcm, inner.filter(({ start, end }) => end - start >= shortestSamples), Math.round(seconds * sampleRate)))
  }
  return chosen
}

async function bestOf(pcm: PcmSource, spans: readonly Span[], wanted: number): Promise<Span[]> {
  const total = spans.reduce((sum, { start, end }) => sum + end - start, 0)
  if (total <= wanted) return [...spans]
  const candidates: (Span & { readonly score: number })[] = []
  for (const span of spans) {
    const levels = await levelsOf(pcm, span)
    for (let from = span.start; ; from += sampleRate) {
      const end = Math.min(span.end, from + wanted)
      const inside = levels.filter((second) => second.start >= from - sampleRate / 2 && second.end <= end + sampleRate / 2)
      const clarity = inside.length === 0 ? 0 : inside.reduce((sum, { levelDb }) => sum + levelDb, 0) / inside.length
      // Length first, then clarity: a second less is worth two decibels.
      candidates.push({ start: from, end, score: clarity + (2 * (end - from)) / sampleRate })
      if (end - from < wanted || end === span.end) break
    }
  }
  const picked: Span[] = []
  let left = wanted
  for (const { start, end } of candidates.sort((a, b) => b.score - a.score)) {
    if (left < shortestSamples) break
    if (picked.some((other) => other.start < end && start < other.end)) continue
    picked.push({ start, end: Math.min(end, start + left) })
    left -= Math.min(end - start, left)
  }
  return picked.sort((a, b) => a.start - b.start)
}

async function levelsOf(pcm: PcmSource, { start, end }: Span): Promise<Second[]> {
  const seconds: Second[] = []
  for (let at = start; at < end; at += sampleRate) {
    const samples = await pcm.read(at, Math.min(end, at + sampleRate))
    let [energy, clipped] = [0, 0]
    for (const value of samples) {
      energy += value * value
      if (Math.abs(value) > clippedAt) clipped++
    }
    const db = 10 * Math.log10(energy / Math.max(1, samples.length) + 1e-10) + 60
    seconds.push({ start: at, end: Math.min(end, at + sampleRate), levelDb: Math.min(Math.max(0, db), loudEnoughDb) - (clipped > samples.length / 1000 ? clippedPenaltyDb : 0) })
  }
  return seconds
}

/** The samples of `parts`, one after another, each faded in and out over 10 ms so that the cuts do not click. */
export async function readParts(pcm: PcmSource, parts: readonly Span[]): Promise<Float32Array> {
  const samples = new Float32Array(parts.reduce((sum, { start, end }) => sum + end - start, 0))
  let filled = 0
  for (const { start, end } of parts) {
    const part = (await pcm.read(start, end)).slice()
    for (let i = 0; i < Math.min(fadeSamples, part.length / 2); i++) {
      part[i]! *= i / fadeSamples
      part[part.length - 1 - i]! *= i / fadeSamples
    }
    samples.set(part, filled)
    filled += part.length
  }
  return samples.subarray(0, filled)
}
