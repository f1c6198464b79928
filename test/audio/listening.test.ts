// From samples to turns and snippets, with nothing but what is built in.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chooseSnippets, readParts } from '../../src/audio/choose-snippet.ts'
import { clusterVoices } from '../../src/audio/cluster-voices.ts'
import { aloneSpans, diarize, joinTurns, type BlockDiarizer } from '../../src/audio/diarize.ts'
import { MemoryPcm, sampleRate, type PcmSource, type Span } from '../../src/audio/pcm.ts'
import { FrameAnalyzer } from '../../src/audio/spectrum.ts'
import { energyVoiceActivity } from '../../src/audio/voice-activity.ts'
import { VoiceStatistics } from '../../src/audio/voice-statistics.ts'
import { seededRandom } from '../../src/base/random.ts'
import { converse, diarizationError, room, speak, voices } from './voices.ts'

const { dana, omer, ruth } = voices

async function speech(samples: Float32Array, size: number = samples.length): Promise<Span[]> {
  const stream = await energyVoiceActivity.start()
  const spans: Span[] = []
  for (let at = 0; at < samples.length; at += size) spans.push(...(await stream.push(samples.subarray(at, at + size))))
  return [...spans, ...(await stream.end())]
}

describe('voice activity', () => {
  test('finds speech between pauses, and ends where it ends', async () => {
    const { samples, turns } = converse([{ voice: dana, seconds: 3, pause: 2 }, { voice: omer, seconds: 4, pause: 1.5 }])
    const spans = await speech(samples)
    expect(spans).toHaveLength(2)
    for (const [i, { start, end }] of spans.entries()) {
      expect(Math.abs(start / sampleRate - turns[i]!.start)).toBeLessThan(0.2)
      expect(Math.abs(end / sampleRate - turns[i]!.end)).toBeLessThan(0.3)
    }
  })

  test('hears nothing in silence, in the noise of a room or of a fan, or in a knock', async () => {
    expect(await speech(new Float32Array(10 * sampleRate))).toEqual([])
    expect(await speech(room(10, 3))).toEqual([])
    expect(await speech(room(10, 4, 0.1))).toEqual([])
    const knock = room(5, 5)
    for (let i = 0; i < 800; i++) knock[2 * sampleRate + i] = 0.5
    expect(await speech(knock)).toEqual([])
    expect(await speech(new Float32Array(0))).toEqual([])
  })

  test('hears speech over a loud fan', async () => {
    const { samples, turns } = converse([{ voice: ruth, seconds: 5, pause: 3 }])
    const fan = room(samples.length / sampleRate, 9, 0.02)
    const spans = await speech(samples.map((value, i) => value + fan[i]!))
    const heard = spans.reduce((sum, { start, end }) => sum + Math.max(0, Math.min(end / sampleRate, turns[0]!.end) - Math.max(start / sampleRate, turns[0]!.start)), 0)
    expect(heard).toBeGreaterThan(4)
  })

  test('is the same however the samples come', async () => {
    const { samples } = converse([{ voice: dana, seconds: 2, pause: 1 }, { voice: ruth, seconds: 2, pause: 0.8 }])
    const whole = await speech(samples)
    await fc.assert(fc.asyncProperty(fc.integer({ min: 50, max: 40_000 }), async (size) => {
      expect(await speech(samples, size)).toEqual(whole)
    }), { numRuns: 15 })
  })
})

describe('frames', () => {
  test.each([80, 120, 200, 320])('the pitch of pulses at %i Hz', (hz) => {
    const samples = Float32Array.from({ length: 4000 }, (_, i) => (i % Math.round(sampleRate / hz) === 0 ? 0.5 : 0))
    for (const { pitch, voicing } of new FrameAnalyzer().frames(samples).slice(1)) {
      expect(Math.abs(pitch - hz) / hz).toBeLessThan(0.03)
      expect(voicing).toBeGreaterThan(0.8)
    }
  })

  test('noise has no voice', () => {
    expect(new VoiceStatistics().embed(room(2, 1, 0.3))).toBeNull()
    expect(new VoiceStatistics().embed(new Float32Array(2 * sampleRate))).toBeNull()
  })
})

describe('clustering', () => {
  const scale = { metric: 'euclidean' as const, sameVoiceMax: 1, sameWindowMax: 2 }
  const cloud = (centers: readonly number[], spread: number, seed: number) => {
    const random = seededRandom(seed)
    return centers.map((center) => Float32Array.from({ length: 4 }, (_, d) => (d === 0 ? center : 0) + spread * (random.next() - 0.5)))
  }

  test('joins what is near and numbers by first appearance, whatever the order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 60 }), fc.integer(), async (who, seed) => {
        const labels = await clusterVoices(cloud(who.map((each) => each * 10), 0.5, seed), who.map(() => 1), scale)
        const first = [...new Set(who)]
        expect(labels).toEqual(who.map((each) => first.indexOf(each)))
      }),
    )
  })

  test('is one across blocks: 1,500 vectors of three voices; and others have their turn meanwhile', async () => {
    const who = Array.from({ length: 1500 }, (_, i) => Math.floor(i / 7) % 3)
    let [turns, isDone] = [0, false]
    const others = (async () => {
      for (; !isDone; turns++) await new Promise((resolve) => setImmediate(resolve))
    })()
    expect(await clusterVoices(cloud(who.map((each) => each * 10), 1, 7), who.map(() => 1), scale)).toEqual(who)
    isDone = true
    await others
    expect(turns).toBeGreaterThan(20)
  })

  test('asks for less distance where there is more speech', async () => {
    const pair = [Float32Array.of(0), Float32Array.of(1.5)]
    expect(await clusterVoices(pair, [1, 1], scale)).toEqual([0, 0])
    expect(await clusterVoices(pair, [60, 60], scale)).toEqual([0, 1])
    expect(await clusterVoices([], [], scale)).toEqual([])
  })
})

const parts = { voiceActivity: energyVoiceActivity, embedder: new VoiceStatistics() }
const seconds = <Turn extends Span>(turns: readonly Turn[]) => turns.map((turn) => ({ ...turn, start: turn.start / sampleRate, end: turn.end / sampleRate }))

describe('diarization', () => {
  test('three people take turns', async () => {
    const { samples, turns } = converse([
      { voice: dana, seconds: 6, pause: 1 }, { voice: omer, seconds: 5, pause: 0.6 }, { voice: ruth, seconds: 7, pause: 0.8 }, { voice: dana, seconds: 4, pause: 0.5 },
      { voice: ruth, seconds: 5, pause: 1 }, { voice: omer, seconds: 6, pause: 0.7 }, { voice: dana, seconds: 5, pause: 2 },
    ])
    const { turns: found, voices: heard } = await diarize(new MemoryPcm(samples), parts)
    expect(heard).toHaveLength(3)
    const { error } = diarizationError(turns.map(({ voice, start, end }) => ({ speaker: voice.pitch, start, end })), seconds(found))
    expect(error).toBeLessThan(0.05)
    expect([...new Set(found.map(({ speaker }) => speaker))]).toEqual([0, 1, 2])
  })

  test('reads no more than ten seconds at once, and nothing twice far apart', async () => {
    const { samples } = converse(Array.from({ length: 12 }, (_, i) => ({ voice: i % 2 ? omer : dana, seconds: 4, pause: 0.7 })))
    const whole = new MemoryPcm(samples)
    let longest = 0
    const watched: PcmSource = { sampleCount: whole.sampleCount, read: (start, end) => ((longest = Math.max(longest, end - start)), whole.read(start, end)) }
    await diarize(watched, parts)
    expect(longest).toBe(10 * sampleRate)
  })

  test('nobody speaks in silence', async () => {
    expect(await diarize(new MemoryPcm(room(20, 1)), parts)).toEqual({ turns: [], voices: [] })
    expect(await diarize(new MemoryPcm(new Float32Array(0)), parts)).toEqual({ turns: [], voices: [] })
  })

  test('a diarizer of blocks: the speakers of one are found again in the next, and overlaps stay', async () => {
    const first = converse([{ voice: dana, seconds: 6, pause: 0.5 }, { voice: omer, seconds: 6, pause: -1 }], { tail: 0.5 })
    const second = converse([{ voice: omer, seconds: 6, pause: 0.5 }, { voice: dana, seconds: 5, pause: 0.5 }], { seed: 2, tail: 0 })
    const samples = new Float32Array(24 * sampleRate)
    samples.set(first.samples.subarray(0, 12 * sampleRate))
    samples.set(second.samples.subarray(0, 12 * sampleRate), 12 * sampleRate)
    const scenes = [first, second]
    // Its own numbers begin anew in each block.
    const blocks: BlockDiarizer = {
      name: 'told',
      blockSeconds: 12,
      turns: () => Promise.resolve(scenes.shift()!.turns.map(({ start, end }, i) => ({ start: Math.round(start * sampleRate), end: Math.round(end * sampleRate), speaker: i }))),
    }
    const { turns: found, voices: heard } = await diarize(new MemoryPcm(samples), { ...parts, blocks })
    expect(heard).toHaveLength(2)
    expect(found.map(({ speaker }) => speaker)).toEqual([0, 1, 1, 0])
    expect(found[1]!.start).toBeLessThan(found[0]!.end)
  })
})

test('spans less what others overlap hold every sample that is theirs alone', () => {
  const span = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 20 })).map(([start, length]) => ({ start, end: start + length }))
  const ordered = fc.array(span, { maxLength: 8 }).map((spans) => spans.sort((a, b) => a.start - b.start))
  const inside = (spans: readonly Span[], at: number) => spans.some(({ start, end }) => at >= start && at < end)
  fc.assert(
    fc.property(ordered, ordered, (own, others) => {
      const alone = aloneSpans(own, others)
      for (let at = 0; at < 90; at++) expect(inside(alone, at)).toBe(inside(own, at) && !inside(others, at))
    }),
  )
})

test('overlapping and adjoining turns of one speaker become one, and no speech is lost', () => {
  const turn = fc.tuple(fc.nat(80), fc.integer({ min: 1, max: 20 }), fc.nat(2)).map(([start, length, speaker]) => ({ start: start * sampleRate, end: (start + length) * sampleRate, speaker }))
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 10 }).map((turns) => turns.sort((a, b) => a.start - b.start)), (turns) => {
      const joined = joinTurns(turns)
      const has = (list: typeof turns, speaker: number, at: number) => list.some((each) => each.speaker === speaker && at >= each.start && at < each.end)
      for (let speaker = 0; speaker < 3; speaker++) for (let at = 0; at < 110; at++) expect(has(joined, speaker, (at + 0.5) * sampleRate)).toBe(has(turns, speaker, (at + 0.5) * sampleRate))
      for (const [i, a] of joined.entries()) for (const b of joined.slice(i + 1)) if (a.speaker === b.speaker) expect(b.start).toBeGreaterThanOrEqual(a.end)
    }),
  )
})

describe('snippets', () => {
  const turn = (speaker: number, start: number, end: number) => ({ speaker, start: start * sampleRate, end: end * sampleRate })
  const length = (spans: readonly Span[]) => spans.reduce((sum, { start, end }) => sum + end - start, 0) / sampleRate

  test('are of one speaker alone, the clearest, and as long as asked', async () => {
    const samples = new Float32Array(60 * sampleRate)
    samples.set(speak(dana, 20, 1).map((value) => value * 0.02))
    samples.set(speak(dana, 20, 2), 30 * sampleRate)
    samples.set(speak(omer, 4, 3), 55 * sampleRate)
    const pcm = new MemoryPcm(samples)
    const [first, second] = await chooseSnippets(pcm, [turn(0, 0, 20), turn(0, 30, 50), turn(1, 48, 52), turn(1, 55, 59)], 2, 15)
    expect(first).toHaveLength(1)
    expect(length(first!)).toBeCloseTo(15)
    expect(first![0]!.start).toBeGreaterThanOrEqual(30 * sampleRate)
    expect(first![0]!.end).toBeLessThanOrEqual(48 * sampleRate)
    // Less speech than asked for: all of it that nobody else is heard in.
    expect(length(second!)).toBeGreaterThan(5)
    expect(length(second!)).toBeLessThanOrEqual(6)
    for (const { start } of second!) expect(start).toBeGreaterThanOrEqual(50 * sampleRate)
    expect((await readParts(pcm, first!)).length).toBe(15 * sampleRate)
  })

  test('are put together of several turns where none is long enough', async () => {
    const { samples, turns } = converse(Array.from({ length: 10 }, (_, i) => ({ voice: i % 2 ? omer : dana, seconds: 4, pause: 0.5 })))
    const chosen = await chooseSnippets(new MemoryPcm(samples), turns.map(({ voice, start, end }) => ({ speaker: voice === dana ? 0 : 1, start: Math.round(start * sampleRate), end: Math.round(end * sampleRate) })), 2, 10)
    for (const spans of chosen) {
      expect(length(spans)).toBeGreaterThan(9.5)
      expect(length(spans)).toBeLessThanOrEqual(10)
      expect(spans.map(({ start }) => start)).toEqual(spans.map(({ start }) => start).sort((a, b) => a - b))
    }
  })

  test('are empty for who never speaks alone', async () => {
    expect(await chooseSnippets(new MemoryPcm(speak(dana, 10, 1)), [turn(0, 0, 10), turn(1, 2, 4)], 2, 15).then((chosen) => chosen[1])).toEqual([])
  })
})
