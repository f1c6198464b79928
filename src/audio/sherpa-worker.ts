// The other side of sherpa-thread.ts: runs models of sherpa-onnx, one question after another.
import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../base/errors.ts'
import { sampleRate } from './pcm.ts'
import type { FromSherpaThread, SherpaAnswers, SherpaQuestion, SherpaThreadData } from './sherpa-thread.ts'

/** What we use of sherpa-onnx-node; it is an optional peer without types of its own. */
interface Sherpa {
  readonly Vad: new (config: object, bufferSeconds: number) => SherpaVad
  readonly OfflineSpeakerDiarization: new (config: object) => { readonly sampleRate: number; process(samples: Float32Array): { start: number; end: number; speaker: number }[] }
  readonly SpeakerEmbeddingExtractor: new (config: object) => { readonly dim: number; createStream(): SherpaStream; isReady(stream: SherpaStream): boolean; compute(stream: SherpaStream, external: boolean): Float32Array }
  readonly OfflineRecognizer: new (config: object) => { createStream(): SherpaStream; decode(stream: SherpaStream): void; getResult(stream: SherpaStream): { text: string; lang?: string } }
}

interface SherpaVad {
  acceptWaveform(samples: Float32Array): void
  isEmpty(): boolean
  pop(): void
  front(external: boolean): { readonly start: number; readonly samples: Float32Array }
  flush(): void
}

interface SherpaStream {
  acceptWaveform(wave: { sampleRate: number; samples: Float32Array }): void
  inputFinished?(): void
}

const port = parentPort!
const { modulePath, voiceActivity, segmentation, embedding, whisper } = workerData as SherpaThreadData
const shared = { numThreads: 1, provider: 'cpu', debug: 0 }
/** Samples that the silero model looks at together. */
const windowSize = 512
const silero = { threshold: 0.5, minSilenceDuration: 0.25, minSpeechDuration: 0.25, maxSpeechDuration: 30, windowSize }
const bufferSeconds = 60

function load() {
  const sherpa = createRequire(modulePath)(modulePath) as Sherpa
  const streams = new Map<number, { vad: SherpaVad; rest: Float32Array }>()
  const extractor = embedding === null ? null : new sherpa.SpeakerEmbeddingExtractor({ model: embedding, ...shared })
  const diarization = segmentation === null ? null : new sherpa.OfflineSpeakerDiarization({ segmentation: { pyannote: { model: segmentation }, ...shared }, embedding: { model: embedding, ...shared }, clustering: { numClusters: -1, threshold: 0.5 }, minDurationOn: 0.2, minDurationOff: 0.5 })
  if (diarization && diarization.sampleRate !== sampleRate) throw new Error(`the segmentation model takes ${diarization.sampleRate} samples a second, expected ${sampleRate}`)
  // Whisper is told its language when it is made: one recognizer each.
  const recognizers = new Map<string, InstanceType<Sherpa['OfflineRecognizer']>>()
  const recognizer = (language: string) => {
    const known = recognizers.get(language)
    if (known) return known
    const { encoder, decoder, tokens } = whisper!
    const made = new sherpa.OfflineRecognizer({ featConfig: { sampleRate, featureDim: 80 }, modelConfig: { whisper: { encoder, decoder, language, task: 'transcribe', tailPaddings: -1 }, tokens, ...shared } })
    recognizers.clear()
    recognizers.set(language, made)
    return made
  }
  const openVad = () => new sherpa.Vad({ sileroVad: { model: voiceActivity!, ...silero }, sampleRate, ...shared }, bufferSeconds)
  // A model that cannot be loaded is told of now, and not when the first recording comes.
  if (voiceActivity !== null) openVad()
  return { streams, extractor, diarization, recognizer, openVad }
}

type Loaded = ReturnType<typeof load>

function answer({ streams, extractor, diarization, recognizer, openVad }: Loaded, question: SherpaQuestion): SherpaAnswers[keyof SherpaAnswers] {
  switch (question.ask) {
    case 'speech': {
      const stream = streams.get(question.stream) ?? { vad: openVad(), rest: new Float32Array(0) }
      streams.set(question.stream, stream)
      const samples = new Float32Array(stream.rest.length + question.samples.length)
      samples.set(stream.rest)
      samples.set(question.samples, stream.rest.length)
      let at = 0
      for (; at + windowSize <= samples.length; at += windowSize) stream.vad.acceptWaveform(samples.subarray(at, at + windowSize))
      stream.rest = samples.slice(at)
      return spansOf(stream.vad)
    }
    case 'speech-end': {
      const stream = streams.get(question.stream)
      streams.delete(question.stream)
      if (!stream) return []
      if (stream.rest.length > 0) {
        const last = new Float32Array(windowSize)
        last.set(stream.rest)
        stream.vad.acceptWaveform(last)
      }
      stream.vad.flush()
      return spansOf(stream.vad)
    }
    case 'turns':
      return diarization!.process(question.samples).map(({ start, end, speaker }) => ({ start: Math.round(start * sampleRate), end: Math.round(end * sampleRate), speaker }))
    case 'voice': {
      const stream = extractor!.createStream()
      stream.acceptWaveform({ sampleRate, samples: question.samples })
      stream.inputFinished?.()
      return extractor!.isReady(stream) ? extractor!.compute(stream, false) : null
    }
    case 'text': {
      const made = recognizer(question.language)
      const stream = made.createStream()
      stream.acceptWaveform({ sampleRate, samples: question.samples })
      made.decode(stream)
      const { text, lang = '' } = made.getResult(stream)
      return { text, language: lang }
    }
  }
}

function spansOf(vad: SherpaVad): { start: number; end: number }[] {
  const spans: { start: number; end: number }[] = []
  for (; !vad.isEmpty(); vad.pop()) {
    const { start, samples } = vad.front(false)
    spans.push({ start, end: start + samples.length })
  }
  return spans
}

const tell = (message: FromSherpaThread) => port.postMessage(message)

try {
  const loaded = load()
  port.on('message', ({ id, question }: { id: number; question: SherpaQuestion }) => {
    try {
      tell({ kind: 'answer', id, value: answer(loaded, question) })
    } catch (error) {
      tell({ kind: 'failed', id, message: messageOf(error) })
    }
  })
  tell({ kind: 'ready', dimension: loaded.extractor?.dim ?? 0 })
} catch (error) {
  tell({ kind: 'failed', id: null, message: messageOf(error) })
}
