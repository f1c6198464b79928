import { WindlassError } from '../base/errors.ts'
import type { Configuration } from './configuration.ts'
import type { SettingName } from './settings.ts'

/** A file of a model: `owner/name[@revision]` and its path there. */
export interface ModelFileName {
  readonly model: string
  readonly path: string
}

/** What opening the parts of audio needs of the settings. */
export interface AudioSettings {
  readonly collection: string
  readonly snippetSeconds: number
  readonly ffmpeg: string
  readonly scratch: { readonly folder?: string; readonly budgetBytes: number }
  /** Null: what is built in. */
  readonly voiceActivity: ModelFileName | null
  readonly segmentation: ModelFileName | null
  readonly embedding: ModelFileName | null
  readonly transcriber: { readonly kind: 'none' } | { readonly kind: 'openai'; readonly model: string; readonly baseUrl?: string; readonly apiKey?: string } | { readonly kind: 'whisper'; readonly model: string }
}

/** @throws {WindlassError} `invalid` for a model that is named in another way, `unauthenticated` where a key is missing. */
export function audioSettings(configuration: Configuration): AudioSettings {
  const folder = configuration.text('scratch')
  const settings: AudioSettings = {
    collection: configuration.text('audio-collection')!,
    snippetSeconds: configuration.number('audio-snippet')!,
    ffmpeg: configuration.text('ffmpeg')!,
    scratch: { ...(folder !== undefined && { folder }), budgetBytes: configuration.number('scratch-budget')! },
    voiceActivity: fileOf(configuration, 'audio-voice-activity', 'energy', 'silero'),
    segmentation: fileOf(configuration, 'audio-segmentation', 'none', 'pyannote'),
    embedding: fileOf(configuration, 'audio-speaker-embedding', 'statistics', 'sherpa'),
    transcriber: transcriberOf(configuration),
  }
  if (settings.segmentation && !settings.embedding) throw new WindlassError('invalid', `${configuration.origin('audio-segmentation')} needs audio-speaker-embedding (WINDLASS_AUDIO_SPEAKER_EMBEDDING): sherpa:owner/name#file.onnx`, { path: 'audio-speaker-embedding' })
  return settings
}

function fileOf(configuration: Configuration, name: SettingName, builtIn: string, kind: string): ModelFileName | null {
  const text = configuration.text(name)!
  if (text === builtIn) return null
  const match = new RegExp(`^${kind}:([\\w.-]+/[\\w.-]+(?:@[^#\\s]+)?)#([^#\\s]+)$`).exec(text)
  if (!match) throw new WindlassError('invalid', `${configuration.origin(name)} is ${JSON.stringify(text)}, expected ${builtIn}, or ${kind}:owner/name#file.onnx`, { path: name })
  return { model: match[1]!, path: match[2]! }
}

function transcriberOf(configuration: Configuration): AudioSettings['transcriber'] {
  const text = configuration.text('audio-transcriber')!
  const [, kind, model] = /^(openai|whisper):(\S+)$/.exec(text) ?? []
  if (kind === 'openai') {
    const ownUrl = configuration.text('transcription-url')
    const baseUrl = ownUrl ?? configuration.text('openai-base-url')
    // Somebody else's server must not see OpenAI's key.
    const apiKey = configuration.text('transcription-key') ?? (ownUrl === undefined ? configuration.text('openai-api-key') : undefined)
    if (baseUrl === undefined && apiKey === undefined) throw new WindlassError('unauthenticated', `transcriber ${text} needs a key: set WINDLASS_TRANSCRIPTION_KEY, or WINDLASS_TRANSCRIPTION_URL for a server of your own`, { path: 'transcription-key' })
    return { kind, model: model!, ...(baseUrl !== undefined && { baseUrl }), ...(apiKey !== undefined && { apiKey }) }
  }
  if (kind === 'whisper' && /^[\w.-]+\/[\w.-]+(@\S+)?$/.test(model!)) return { kind, model: model! }
  if (text === 'none') return { kind: 'none' }
  throw new WindlassError('invalid', `${configuration.origin('audio-transcriber')} is ${JSON.stringify(text)}, expected none, openai:<model>, or whisper:owner/name`, { path: 'audio-transcriber' })
}
