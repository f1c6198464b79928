import { createRequire } from 'node:module'
import { join } from 'node:path'
import { WindlassError } from '../base/errors.ts'
import { loadOptional } from '../base/optional.ts'
import type { BlockDiarizer } from './diarize.ts'
import type { AudioParts } from './finish-recording.ts'
import type { AudioModels, ModelFile } from './open-parts.ts'
import { sampleRate } from './pcm.ts'
import { SherpaThread } from './sherpa-thread.ts'
import type { SpeakerEmbedder } from './speaker-embedder.ts'
import { languageCode, type Transcriber } from './transcriber.ts'
import type { VoiceActivity } from './voice-activity.ts'

/** Models that sherpa-onnx runs; null: what is built in does it, or nothing. */
export interface SherpaSettings {
  readonly voiceActivity: ModelFile | null
  readonly segmentation: ModelFile | null
  readonly embedding: ModelFile | null
  /** A repository with an encoder, a decoder and tokens of Whisper in ONNX. */
  readonly whisper: string | null
}

// Cosine distances of the networks that sherpa-onnx runs (WeSpeaker, 3D-Speaker, TitaNet, trained on VoxCeleb): its own examples take 0.5 for one voice.
const sameVoiceMax = 0.5
const sameWindowMax = 0.75
// Overlap is found within a block; who is who across blocks by voice. Five minutes are 19 MB.
const blockSeconds = 300
// Whisper looks at 30 seconds and no more.
const whisperSeconds = 28

/**
 * Opens models in one thread, by sherpa-onnx (an optional peer). The native package is taken, not the one in WebAssembly: that one computes on one core several times slower, and
 * copies models into the 4 GB that it can address.
 * @throws {WindlassError} `missing-dependency`, `not-found` for files, `storage-full`, `unsupported` for a model that cannot be run.
 */
export async function openSherpaParts({ voiceActivity, segmentation, embedding, whisper }: SherpaSettings, models: AudioModels): Promise<Partial<AudioParts>> {
  const modulePath = await loadOptional('sherpa-onnx-node', async () => createRequire(import.meta.url).resolve('sherpa-onnx-node'))
  const held: { release(): Promise<void> }[] = []
  const bring = async (name: string, paths: readonly string[]) => {
    const loaded = await models.load(name, paths)
    held.push(loaded)
    if (loaded.folder === null) throw new WindlassError('storage-full', `speech models are read from the disk, and it has no room for ${name}: raise WINDLASS_MODEL_CACHE_BUDGET, or free space`, { path: 'model-cache-budget' })
    return paths.map((path) => join(loaded.folder!, path))
  }
  const file = async (each: ModelFile | null) => (each === null ? null : (await bring(each.model, [each.path]))[0]!)
  try {
    const whisperFiles = whisper === null ? null : await bring(whisper, whisperPaths(whisper, await models.list(whisper)))
    const thread = await SherpaThread.start({
      modulePath,
      voiceActivity: await file(voiceActivity),
      segmentation: await file(segmentation),
      embedding: await file(embedding),
      whisper: whisperFiles && { encoder: whisperFiles[0]!, decoder: whisperFiles[1]!, tokens: whisperFiles[2]! },
    })
    return {
      ...(voiceActivity && { voiceActivity: sileroVoiceActivity(thread, voiceActivity) }),
      ...(segmentation && { blocks: pyannoteBlocks(thread, segmentation) }),
      ...(embedding && { embedder: sherpaEmbedder(thread, embedding) }),
      ...(whisper !== null && { transcriber: whisperTranscriber(thread, whisper) }),
      close: async () => {
        await thread.end()
        for (const each of held) await each.release()
      },
    }
  } catch (error) {
    for (const each of held) await each.release()
    throw error
  }
}

/** The files of a Whisper in a repository: the quantized ones where there are such. @throws {WindlassError} `not-found`. */
export function whisperPaths(name: string, paths: readonly string[]): [string, string, string] {
  const find = (pattern: RegExp) => paths.find((path) => /int8/.test(path) && pattern.test(path)) ?? paths.find((path) => pattern.test(path))
  const [encoder, decoder, tokens] = [find(/encoder[^/]*\.onnx$/), find(/decoder[^/]*\.onnx$/), find(/tokens\.txt$/)]
  if (encoder === undefined || decoder === undefined || tokens === undefined) throw new WindlassError('not-found', `model ${name} has no Whisper for sherpa-onnx: expected *encoder*.onnx, *decoder*.onnx and *tokens.txt`, { path: 'audio-transcriber' })
  return [encoder, decoder, tokens]
}

function sileroVoiceActivity(thread: SherpaThread, { model, path }: ModelFile): VoiceActivity {
  let count = 0
  return {
    name: `silero:${model}#${path}`,
    start() {
      const stream = ++count
      return { push: (samples) => thread.ask({ ask: 'speech', stream, samples }), end: () => thread.ask({ ask: 'speech-end', stream }) }
    },
  }
}

function pyannoteBlocks(thread: SherpaThread, { model, path }: ModelFile): BlockDiarizer {
  return { name: `pyannote:${model}#${path}`, blockSeconds, turns: (samples) => thread.ask({ ask: 'turns', samples }) }
}

function sherpaEmbedder(thread: SherpaThread, { model, path }: ModelFile): SpeakerEmbedder {
  return { name: `sherpa:${model}#${path}`, dimension: thread.dimension, metric: 'cosine', sameVoiceMax, sameWindowMax, embed: (samples) => (samples.length < sampleRate / 4 ? null : thread.ask({ ask: 'voice', samples })) }
}

function whisperTranscriber(thread: SherpaThread, model: string): Transcriber {
  return {
    name: `whisper:${model}`,
    secondsMax: whisperSeconds,
    atOnce: 1,
    async transcribe(samples, { language = '' }) {
      const heard = await thread.ask({ ask: 'text', samples, language })
      const code = languageCode(heard.language)
      return { text: heard.text, ...(code !== undefined && { language: code }) }
    },
  }
}
