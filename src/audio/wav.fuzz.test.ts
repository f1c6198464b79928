import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isWindlassError } from '../base/errors.ts'
import { decodeSamples, encodeSamples } from './pcm.ts'
import { rangeOf } from './serve-bytes.ts'
import { encodeWav, readWavLayout } from './wav.ts'

test('samples come back from a WAV file to within one step of 16 bits', () => {
  fc.assert(
    fc.property(fc.float32Array({ min: -1, max: Math.fround(0.9999), noNaN: true, minLength: 1 }), (samples) => {
      const wav = encodeWav(samples)
      const layout = readWavLayout(wav, wav.length)!
      expect(layout).toEqual({ channels: 1, sampleRate: 16_000, bitsPerSample: 16, dataStart: 44, dataEnd: 44 + samples.length * 2 })
      const read = decodeSamples(wav.subarray(layout.dataStart, layout.dataEnd))
      for (const [i, value] of read.entries()) expect(Math.abs(value - samples[i]!)).toBeLessThanOrEqual(1 / 65536 + 1e-7)
      expect(encodeSamples(read)).toEqual(wav.subarray(44))
    }),
  )
})

test('any bytes have a layout within them, none, or are refused as invalid', () => {
  const damaged = fc.tuple(fc.uint8Array({ maxLength: 200 }), fc.nat(60), fc.uint8Array({ maxLength: 8 })).map(([samples, at, noise]) => {
    const wav = encodeWav(new Float32Array(samples.length))
    wav.set(noise.subarray(0, Math.max(0, wav.length - at)), Math.min(at, wav.length))
    return wav
  })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 100 })), fc.nat(50), (bytes, cut) => {
      const head = bytes.subarray(0, Math.max(0, bytes.length - cut))
      try {
        const layout = readWavLayout(head, bytes.length)
        if (!layout) return
        expect(layout.dataStart).toBeLessThan(layout.dataEnd)
        expect(layout.dataEnd).toBeLessThanOrEqual(bytes.length)
      } catch (error) {
        if (!isWindlassError(error, 'invalid')) throw error
      }
    }),
    { numRuns: 500 },
  )
})

test('ranges of HTTP, cut to the size', () => {
  expect(rangeOf('bytes=2-4', 10)).toEqual({ start: 2, end: 5, isPart: true })
  expect(rangeOf('bytes=2-', 10)).toEqual({ start: 2, end: 10, isPart: true })
  expect(rangeOf('bytes=2-99', 10)).toEqual({ start: 2, end: 10, isPart: true })
  expect(rangeOf('bytes=-3', 10)).toEqual({ start: 7, end: 10, isPart: true })
  for (const header of [null, '', 'bytes=-', 'bytes=1-2,4-5', 'items=1-2']) expect(rangeOf(header, 10)).toEqual({ start: 0, end: 10, isPart: false })
})
