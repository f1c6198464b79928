import { sampleRate, type Span } from './pcm.ts'

/** Finds where somebody speaks, in sound that comes piece by piece. */
export interface VoiceActivity {
  /** Kept with what it found. */
  readonly name: string
  /** Begins a recording; streams of one detector are independent of each other. */
  start(): VoiceActivityStream | Promise<VoiceActivityStream>
}

/** One recording on its way through a detector. Spans come in order, do not overlap, and may come late. */
export interface VoiceActivityStream {
  push(samples: Float32Array): readonly Span[] | Promise<readonly Span[]>
  /** The recording is over. */
  end(): readonly Span[] | Promise<readonly Span[]>
}

const step = sampleRate / 100
// Half a second is too short for a floor: a long vowel would become silence.
const floorBlocks = 8
const blockSteps = 100
/** Louder than the noise floor by this is speech; once it is, half of it is enough. */
const onsetDb = 10
const offsetDb = 5
// Digital silence has no floor: quieter than this nobody speaks.
const quietestDb = -58
const smoothing = 0.7
const onsetSteps = 4
const hangoverSteps = 22
const marginSteps = 8
const shortestSteps = 25

/**
 * Speech is what is louder than the noise around it: short-time energy against a floor that is the minimum of some seconds (minimum statistics,
 * Martin 2001), with two thresholds and a hangover, as in Rabiner and Sambur 1975. Built in, needs no model. Steady noise is
 * told from speech; music is not.
 */
export const energyVoiceActivity: VoiceActivity = { name: 'energy', start: () => new EnergyStream() }

class EnergyStream implements VoiceActivityStream {
  #rest = new Float32Array(0)
  #index = 0
  #smooth = 0
  /** Minima of blocks of a second, in dB; the newest is last. */
  #minima: number[] = []
  #minimum = Infinity
  /** Where a span that is open began, in steps; null: none is. */
  #start: number | null = null
  #loudSince = 0
  #lastLoud = 0
  /** Until the floor is known, steps wait; at most a block. */
  #early: number[] = []
  #lastEnd = 0

  push(samples: Float32Array): Span[] {
    const all = new Float32Array(this.#rest.length + samples.length)
    all.set(this.#rest)
    all.set(samples, this.#rest.length)
    const spans: Span[] = []
    let at = 0
    for (; at + step <= all.length; at += step) {
      let energy = 0
      for (let i = at; i < at + step; i++) energy += all[i]! * all[i]!
      this.#take(10 * Math.log10(energy / step + 1e-10), spans)
    }
    this.#rest = all.slice(at)
    return spans
  }

  end(): Span[] {
    const spans: Span[] = []
    if (this.#minima.length === 0) this.#decideEarly(spans)
    this.#close(this.#index, spans)
    return spans
  }

  #take(db: number, spans: Span[]): void {
    this.#smooth = this.#index === 0 && this.#early.length === 0 ? db : smoothing * this.#smooth + (1 - smoothing) * db
    const level = this.#smooth
    this.#minimum = Math.min(this.#minimum, level)
    if (this.#minima.length === 0) {
      this.#early.push(level)
      if (this.#early.length === blockSteps) this.#decideEarly(spans)
      return
    }
    this.#decide(level, spans)
    if (this.#index % blockSteps === 0) this.#nextBlock()
  }

  #decideEarly(spans: Span[]): void {
    this.#nextBlock()
    const early = this.#early
    this.#early = []
    for (const level of early) this.#decide(level, spans)
  }

  #nextBlock(): void {
    this.#minima.push(this.#minimum)
    if (this.#minima.length > floorBlocks) this.#minima.shift()
    this.#minimum = Infinity
  }

  #decide(level: number, spans: Span[]): void {
    const now = this.#index++
    const floor = Math.min(...this.#minima, this.#minimum)
    const isLoud = level > Math.max(quietestDb, floor + (this.#start === null ? onsetDb : offsetDb))
    if (!isLoud) {
      this.#loudSince = now + 1
      if (this.#start !== null && now - this.#lastLoud > hangoverSteps) this.#close(this.#lastLoud + 1, spans)
      return
    }
    this.#lastLoud = now
    if (this.#start === null && now - this.#loudSince + 1 >= onsetSteps) this.#start = this.#loudSince
  }

  #close(end: number, spans: Span[]): void {
    const start = this.#start
    this.#start = null
    if (start === null || end - start < shortestSteps) return
    const span = { start: Math.max(this.#lastEnd, start - marginSteps) * step, end: Math.min(this.#index, end + marginSteps) * step }
    this.#lastEnd = span.end / step
    spans.push(span)
  }
}
