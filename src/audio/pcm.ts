/** Samples a second of everything after decoding: what speech models take. One channel, values from -1 to 1. */
export const sampleRate = 16_000

/** Decoded sound that is read in pieces: whoever reads it holds no more than it asks for. */
export interface PcmSource {
  readonly sampleCount: number
  /** The samples [start, end), cut to what there is. */
  read(start: number, end: number): Promise<Float32Array>
}

/** A stretch of a recording, [start, end) in samples. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Sound in memory. */
export class MemoryPcm implements PcmSource {
  readonly #samples: Float32Array

  constructor(samples: Float32Array) {
    this.#samples = samples
  }

  get sampleCount(): number {
    return this.#samples.length
  }

  read(start: number, end: number): Promise<Float32Array> {
    return Promise.resolve(this.#samples.subarray(Math.max(0, start), Math.max(0, end)))
  }
}

/** Samples as a 16-bit file has them, little-endian. */
export function decodeSamples(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const samples = new Float32Array(bytes.byteLength >> 1)
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(i * 2, true) / 32768
  return samples
}

/** Inverse of `decodeSamples`; what is louder than full scale is cut. */
export function encodeSamples(samples: Float32Array): Uint8Array {
  const bytes = new Uint8Array(samples.length * 2)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < samples.length; i++) view.setInt16(i * 2, Math.max(-32768, Math.min(32767, Math.round(samples[i]! * 32768))), true)
  return bytes
}
