import { sampleRate } from './pcm.ts'

/** Samples from one frame to the next: 10 ms. */
export const frameStep = 160
/** Samples of a frame: 32 ms, two periods of the lowest voice that is looked for. */
export const frameLength = 512

const filterCount = 26
/** Cepstral coefficients of a frame, without the one that is its loudness. */
export const cepstraCount = 18
const lowestHz = 100
const highestHz = 7000
// Twice the frame: the autocorrelation that comes out of it does not wrap around.
const transformLength = 1024
const pitchLowestHz = 70
const pitchHighestHz = 400

/** What a frame sounds like. */
export interface Frame {
  /** Mean square of the samples, as they are. */
  readonly energy: number
  /** Mel-frequency cepstral coefficients 1 to `cepstraCount`. */
  readonly cepstra: Float32Array
  /** Hz; 0 where nothing repeats. */
  readonly pitch: number
  /** How well the frame repeats itself at its pitch, 0 to 1: high for voiced speech. */
  readonly voicing: number
}

/**
 * Frames of `samples`, one each 10 ms: mel-frequency cepstral coefficients (Davis and Mermelstein 1980) of 26 triangular filters after
 * pre-emphasis, and the pitch at the highest peak of the normalized autocorrelation (Rabiner 1977), by way of one power spectrum each.
 */
export class FrameAnalyzer {
  readonly #window = Float64Array.from({ length: frameLength }, (_, i) => 0.54 - 0.46 * Math.cos((2 * Math.PI * i) / (frameLength - 1)))
  readonly #filters = melFilters()
  readonly #cosines = cosineTable()
  readonly #windowCorrelation: Float64Array
  readonly #re = new Float64Array(transformLength)
  readonly #im = new Float64Array(transformLength)

  constructor() {
    this.#re.set(this.#window)
    this.#windowCorrelation = this.#correlate().slice()
  }

  /** @param step Samples from one frame to the next. @returns As many frames as lie wholly within `samples`. */
  frames(samples: Float32Array, step: number = frameStep): Frame[] {
    const count = Math.max(0, Math.floor((samples.length - frameLength) / step) + 1)
    return Array.from({ length: count }, (_, i) => this.#frame(samples, i * step))
  }

  #frame(samples: Float32Array, at: number): Frame {
    const [re, im] = [this.#re, this.#im]
    let energy = 0
    re.fill(0)
    im.fill(0)
    for (let i = 0; i < frameLength; i++) {
      const value = samples[at + i]!
      energy += value * value
      re[i] = value * this.#window[i]!
      // Two real transforms in one: the frame as it is, for its pitch, and with pre-emphasis, for its timbre.
      im[i] = (value - 0.97 * (samples[at + i - 1] ?? 0)) * this.#window[i]!
    }
    transform(re, im)
    const half = transformLength / 2
    const timbre = new Float64Array(half + 1)
    const plain = new Float64Array(half + 1)
    for (let k = 0; k <= half; k++) {
      const mirror = (transformLength - k) % transformLength
      const [a, b, c, d] = [re[k]!, im[k]!, re[mirror]!, im[mirror]!]
      plain[k] = ((a + c) ** 2 + (b - d) ** 2) / 4
      timbre[k] = ((b + d) ** 2 + (c - a) ** 2) / 4
    }
    const { pitch, voicing } = this.#pitchOf(plain)
    return { energy: energy / frameLength, cepstra: this.#cepstraOf(timbre), pitch, voicing }
  }

  #cepstraOf(power: Float64Array): Float32Array {
    const logs = new Float64Array(filterCount)
    for (let f = 0; f < filterCount; f++) {
      const { first, weights } = this.#filters[f]!
      let sum = 0
      for (let i = 0; i < weights.length; i++) sum += power[first + i]! * weights[i]!
      logs[f] = Math.log(sum + 1e-9)
    }
    return Float32Array.from({ length: cepstraCount }, (_, c) => {
      let sum = 0
      for (let f = 0; f < filterCount; f++) sum += logs[f]! * this.#cosines[c * filterCount + f]!
      return sum
    })
  }

  #pitchOf(power: Float64Array): { pitch: number; voicing: number } {
    const [re, im] = [this.#re, this.#im]
    im.fill(0)
    const half = transformLength / 2
    for (let k = 0; k <= half; k++) {
      re[k] = power[k]!
      if (k > 0 && k < half) re[transformLength - k] = power[k]!
    }
    transform(re, im)
    if (re[0]! <= 1e-9) return { pitch: 0, voicing: 0 }
    let best = 0
    let bestLag = 0
    const from = Math.floor(sampleRate / pitchHighestHz)
    const to = Math.ceil(sampleRate / pitchLowestHz)
    // Divided by the window's own correlation: long periods would look weaker than they are (Boersma 1993).
    const value = (lag: number) => re[lag]! / re[0]! / this.#windowCorrelation[lag]!
    for (let lag = from; lag <= to; lag++) {
      const found = value(lag)
      // An octave lower repeats as well: the shorter period is kept unless the longer is clearly better.
      if (found > best * (lag > bestLag * 1.5 && bestLag > 0 ? 1.08 : 1) && found >= value(lag - 1) && found >= value(lag + 1)) {
        best = found
        bestLag = lag
      }
    }
    return bestLag === 0 ? { pitch: 0, voicing: 0 } : { pitch: sampleRate / bestLag, voicing: Math.min(1, Math.max(0, best)) }
  }

  #correlate(): Float64Array {
    const [re, im] = [this.#re, this.#im]
    transform(re, im)
    for (let k = 0; k < transformLength; k++) {
      re[k] = re[k]! ** 2 + im[k]! ** 2
      im[k] = 0
    }
    transform(re, im)
    return re.map((value) => value / re[0]!)
  }
}

interface Filter {
  readonly first: number
  readonly weights: Float64Array
}

const toMel = (hz: number) => 1127 * Math.log(1 + hz / 700)
const toHz = (mel: number) => 700 * (Math.exp(mel / 1127) - 1)

function melFilters(): Filter[] {
  const step = (toMel(highestHz) - toMel(lowestHz)) / (filterCount + 1)
  const edge = (i: number) => (toHz(toMel(lowestHz) + i * step) * transformLength) / sampleRate
  return Array.from({ length: filterCount }, (_, f) => {
    const [low, middle, high] = [edge(f), edge(f + 1), edge(f + 2)]
    const first = Math.ceil(low)
    const weights = Float64Array.from({ length: Math.floor(high) - first + 1 }, (_, i) => {
      const bin = first + i
      return bin <= middle ? (bin - low) / (middle - low) : (high - bin) / (high - middle)
    })
    return { first, weights }
  })
}

function cosineTable(): Float64Array {
  const table = new Float64Array(cepstraCount * filterCount)
  for (let c = 0; c < cepstraCount; c++) {
    for (let f = 0; f < filterCount; f++) table[c * filterCount + f] = Math.sqrt(2 / filterCount) * Math.cos((Math.PI * (c + 1) * (f + 0.5)) / filterCount)
  }
  return table
}

const cosines = Float64Array.from({ length: transformLength / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / transformLength))
const sines = Float64Array.from({ length: transformLength / 2 }, (_, i) => Math.sin((2 * Math.PI * i) / transformLength))

/** The discrete Fourier transform in place (Cooley and Tukey 1965, radix 2). */
function transform(re: Float64Array, im: Float64Array): void {
  const n = re.length
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1
    for (; j & bit; bit >>= 1) j ^= bit
    j ^= bit
    if (i < j) {
      ;[re[i], re[j]] = [re[j]!, re[i]!]
      ;[im[i], im[j]] = [im[j]!, im[i]!]
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2
    const step = n / size
    for (let start = 0; start < n; start += size) {
      for (let k = 0; k < half; k++) {
        const c = cosines[k * step]!
        const s = -sines[k * step]!
        const [a, b] = [start + k, start + k + half]
        const tr = re[b]! * c - im[b]! * s
        const ti = re[b]! * s + im[b]! * c
        re[b] = re[a]! - tr
        im[b] = im[a]! - ti
        re[a] = re[a]! + tr
        im[a] = im[a]! + ti
      }
    }
  }
}
