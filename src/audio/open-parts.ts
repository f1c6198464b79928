import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { AudioParts } from './finish-recording.ts'
import { OpenAiTranscriber } from './openai-transcriber.ts'

/** A file of a model. */
export interface ModelFile {
  readonly model: string
  readonly path: string
}

/** What recordings are worked on with, as settings name it; null: what is built in. */
export interface AudioPartsSettings {
  readonly snippetSeconds: number
  readonly ffmpeg: string
  readonly voiceActivity: ModelFile | null
  readonly segmentation: ModelFile | null
  readonly embedding: ModelFile | null
  readonly transcriber: { readonly kind: 'none' } | { readonly kind: 'openai'; readonly model: string; readonly baseUrl?: string; readonly apiKey?: string } | { readonly kind: 'whisper'; readonly model: string }
}

/** Brings files of models onto this disk, from the model store. */
export interface AudioModels {
  list(name: string): Promise<string[]>
  /** @returns Where they lie; null where the disk has no room. */
  load(name: string, paths: readonly string[]): Promise<{ readonly folder: string | null; release(): Promise<void> }>
}

/** Opens what the settings name. @throws {WindlassError} `missing-dependency` where sherpa-onnx is needed and not there, `not-found` for files. */
export async function openParts({ snippetSeconds, ffmpeg, voiceActivity, segmentation, embedding, transcriber }: AudioPartsSettings, models: AudioModels, { clock, random }: { clock: Clock; random: Random }): Promise<Partial<AudioParts>> {
  const isNative = voiceActivity ?? segmentation ?? embedding ?? (transcriber.kind === 'whisper' ? transcriber : null)
  const sherpa = isNative === null ? {} : await (await import('./sherpa-parts.ts')).openSherpaParts({ voiceActivity, segmentation, embedding, whisper: transcriber.kind === 'whisper' ? transcriber.model : null }, models)
  return { snippetSeconds, ffmpeg, ...(transcriber.kind === 'openai' && { transcriber: new OpenAiTranscriber(transcriber, { clock, random }) }), ...sherpa }
}
