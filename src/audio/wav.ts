import { WindlassError } from '../base/errors.ts'
import { encodeSamples, sampleRate } from './pcm.ts'

const headerBytes = 44

/** One channel of 16 bits at 16 kHz, as a WAV file (RIFF, Microsoft and IBM 1991). */
export function encodeWav(samples: Float32Array): Uint8Array {
  const data = encodeSamples(samples)
  const bytes = new Uint8Array(headerBytes + data.length)
  const view = new DataView(bytes.buffer)
  const put = (at: number, text: string) => bytes.set(new TextEncoder().encode(text), at)
  put(0, 'RIFF')
  view.setUint32(4, headerBytes - 8 + data.length, true)
  put(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, 1, true)
  view.setUint16(22, 1, true)
  view.setUint32(24, sampleRate, true)
  view.setUint32(28, sampleRate * 2, true)
  view.setUint16(32, 2, true)
  view.setUint16(34, 16, true)
  put(36, 'data')
  view.setUint32(40, data.length, true)
  bytes.set(data, headerBytes)
  return bytes
}

/** Where the samples of a WAV file are, and how they are kept. */
export interface WavLayout {
  readonly channels: number
  readonly sampleRate: number
  readonly bitsPerSample: number
  /** [start, end) in bytes. */
  readonly dataStart: number
  readonly dataEnd: number
}

/**
 * The layout of a WAV file of plain samples.
 * @param head The first bytes; 64 kB are enough for every file that is not written to annoy.
 * @returns null for what is no WAV file, or keeps its samples in another way.
 * @throws {WindlassError} `invalid` for a WAV file without samples.
 */
export function readWavLayout(head: Uint8Array, sizeBytes: number): WavLayout | null {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const name = (at: number) => String.fromCharCode(...head.subarray(at, at + 4))
  if (head.length < 12 || name(0) !== 'RIFF' || name(8) !== 'WAVE') return null
  let format: Pick<WavLayout, 'channels' | 'sampleRate' | 'bitsPerSample'> | null = null
  for (let at = 12; at + 8 <= head.length; ) {
    const size = view.getUint32(at + 4, true)
    if (name(at) === 'fmt ' && at + 24 <= head.length) {
      // 1: plain; 0xfffe: plain, if the first of the longer code says so.
      const code = view.getUint16(at + 8, true)
      const plain = code === 0xfffe && size >= 26 && at + 34 <= head.length ? view.getUint16(at + 32, true) : code
      if (plain !== 1) return null
      format = { channels: view.getUint16(at + 10, true), sampleRate: view.getUint32(at + 12, true), bitsPerSample: view.getUint16(at + 22, true) }
    }
    if (name(at) === 'data') {
      // Who writes to a pipe does not know the size yet, and leaves it at its largest, or at 0.
      const end = size === 0 || at + 8 + size > sizeBytes ? sizeBytes : at + 8 + size
      if (!format || end <= at + 8) throw new WindlassError('invalid', 'the WAV file has no samples', { path: 'body' })
      return { ...format, dataStart: at + 8, dataEnd: end }
    }
    at += 8 + size + (size % 2)
  }
  return null
}
