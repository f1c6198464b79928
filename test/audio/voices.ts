// A small formant synthesizer (after Klatt 1980: pulses through resonators), so that tests need neither recordings nor programs.
import { seededRandom } from '../../src/base/random.ts'
import { sampleRate } from '../../src/audio/pcm.ts'

/** Somebody: how high they speak, and how long their vocal tract is against the average. */
export interface Voice {
  readonly pitch: number
  readonly tract: number
  /** Of the glottal pulse: breathier voices fall faster. */
  readonly tilt: number
}

export const voices = {
  dana: { pitch: 205, tract: 1.17, tilt: 0.9 },
  omer: { pitch: 110, tract: 0.93, tilt: 0.8 },
  ruth: { pitch: 165, tract: 1.04, tilt: 0.96 },
} as const satisfies Record<string, Voice>

// Peterson and Barney 1952, rounded: the first three formants of seven vowels, in Hz.
const vowels = [[730, 1090, 2440], [530, 1840, 2480], [270, 2290, 3010], [570, 840, 2410], [300, 870, 2240], [660, 1720, 2410], [490, 1350, 1690]] as const

/** `seconds` of syllables without sense. */
export function speak(voice: Voice, seconds: number, seed: number): Float32Array {
  const random = seededRandom(seed)
  const samples = new Float32Array(Math.round(seconds * sampleRate))
  for (let at = 0; at < samples.length; ) {
    const length = Math.round((0.08 + 0.05 * random.next()) * sampleRate)
    const formants = vowels[Math.floor(random.next() * vowels.length)]!
    samples.set(syllable(voice, formants, Math.min(length, samples.length - at), random), at)
    // Between syllables the mouth closes for a moment, between words for longer.
    at += length + Math.round((random.next() < 0.2 ? 0.08 : 0.02) * sampleRate)
  }
  return samples
}

function syllable({ pitch, tract, tilt }: Voice, formants: readonly number[], length: number, random: { next(): number }): Float32Array {
  const out = new Float32Array(length)
  const lift = 0.92 + 0.16 * random.next()
  let [phase, pulse] = [0, 0]
  for (let i = 0; i < length; i++) {
    phase += (pitch * lift * (1 - (0.08 * i) / length)) / sampleRate
    if (phase >= 1) {
      phase -= 1
      pulse = 1 + 0.05 * random.next()
    } else pulse *= tilt
    out[i] = pulse + 0.01 * (random.next() - 0.5)
  }
  let sound: Float32Array = out
  for (const [f, formant] of [...formants, 3500].entries()) sound = resonate(sound, formant * tract * (0.99 + 0.02 * random.next()), 60 + 40 * f)
  const edge = 0.02 * sampleRate
  let peak = 0
  for (let i = 0; i < length; i++) {
    sound[i]! *= Math.min(1, i / edge, (length - i) / edge)
    peak = Math.max(peak, Math.abs(sound[i]!))
  }
  return sound.map((value) => (0.3 * value) / Math.max(peak, 1e-6))
}

/** A resonance at `frequency` Hz that is `bandwidth` Hz wide. */
function resonate(samples: Float32Array, frequency: number, bandwidth: number): Float32Array {
  const decay = Math.exp((-Math.PI * bandwidth) / sampleRate)
  const b = 2 * decay * Math.cos((2 * Math.PI * frequency) / sampleRate)
  const c = -(decay * decay)
  const out = new Float32Array(samples.length)
  for (let i = 0; i < samples.length; i++) out[i] = (1 - b - c) * samples[i]! + b * (out[i - 1] ?? 0) + c * (out[i - 2] ?? 0)
  return out
}

/** Noise of a quiet room. */
export function room(seconds: number, seed: number, level = 0.001): Float32Array {
  const random = seededRandom(seed)
  return Float32Array.from({ length: Math.round(seconds * sampleRate) }, () => level * (random.next() * 2 - 1))
}

/** One says something, for so many seconds, after a pause; the pause may be negative: then they interrupt. */
export interface Line {
  readonly voice: Voice
  readonly seconds: number
  readonly pause: number
}

/** A conversation in a room, and who speaks when in it: [start, end) in seconds. */
export function converse(lines: readonly Line[], { seed = 1, tail = 1 }: { seed?: number; tail?: number } = {}): { samples: Float32Array; turns: { voice: Voice; start: number; end: number }[] } {
  const turns: { voice: Voice; start: number; end: number }[] = []
  let end = 0
  for (const { voice, seconds, pause } of lines) {
    const start = end + pause
    turns.push({ voice, start, end: start + seconds })
    end = start + seconds
  }
  const samples = room(end + tail, seed)
  for (const [i, { voice, start, end: last }] of turns.entries()) {
    const said = speak(voice, last - start, seed * 100 + i)
    const at = Math.round(start * sampleRate)
    for (let k = 0; k < said.length && at + k < samples.length; k++) samples[at + k]! += said[k]!
  }
  return { samples, turns }
}

/**
 * The diarization error rate (NIST 2000): missed, false and confused speech as a share of all speech, with a quarter of a second
 * around every change left out, under the best one-to-one naming of speakers.
 */
export function diarizationError(expected: readonly { readonly speaker: unknown; readonly start: number; readonly end: number }[], found: readonly { readonly speaker: unknown; readonly start: number; readonly end: number }[]): { error: number; missed: number; false: number; confused: number } {
  const collar = 0.25
  const steps = Math.ceil(Math.max(...expected.map(({ end }) => end), ...found.map(({ end }) => end), 0) * 100)
  const at = (spans: typeof expected, time: number) => spans.filter(({ start, end }) => time >= start && time < end).map(({ speaker }) => speaker)
  const edges = expected.flatMap(({ start, end }) => [start, end])
  const moments = Array.from({ length: steps }, (_, i) => (i + 0.5) / 100).filter((time) => edges.every((edge) => Math.abs(edge - time) > collar))
  const together = new Map<string, { a: unknown; b: unknown; count: number }>()
  const scored = moments.map((time) => ({ said: at(expected, time), heard: at(found, time) }))
  for (const { said, heard } of scored) {
    for (const a of said) for (const b of heard) {
      const key = `${JSON.stringify(a)} ${JSON.stringify(b)}`
      const entry = together.get(key) ?? { a, b, count: 0 }
      together.set(key, { ...entry, count: entry.count + 1 })
    }
  }
  const named = new Map<unknown, unknown>()
  for (const { a, b } of [...together.values()].sort((x, y) => y.count - x.count)) if (!named.has(a) && ![...named.values()].includes(b)) named.set(a, b)
  let [total, missed, extra, confused] = [0, 0, 0, 0]
  for (const { said, heard } of scored) {
    total += said.length
    missed += Math.max(0, said.length - heard.length)
    extra += Math.max(0, heard.length - said.length)
    confused += Math.min(said.length, heard.length) - said.filter((a) => heard.includes(named.get(a))).length
  }
  const share = (count: number) => count / Math.max(1, total)
  return { error: share(missed + extra + confused), missed: share(missed), false: share(extra), confused: share(confused) }
}
