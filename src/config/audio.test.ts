import { expect, test } from 'vitest'
import { audioSettings } from './audio.ts'
import { Configuration } from './configuration.ts'

const transcriberOf = (environment: Record<string, string>) => audioSettings(Configuration.read({ environment: { WINDLASS_AUDIO_TRANSCRIBER: 'openai:whisper-1', ...environment } })).transcriber

test("OpenAI's key goes to OpenAI, and to no server that was named for recordings", () => {
  const url = 'http://transcriber.example/v1'
  expect(transcriberOf({ OPENAI_API_KEY: 'sk-openai' })).toEqual({ kind: 'openai', model: 'whisper-1', apiKey: 'sk-openai' })
  expect(transcriberOf({ OPENAI_API_KEY: 'sk-openai', WINDLASS_TRANSCRIPTION_URL: url })).toEqual({ kind: 'openai', model: 'whisper-1', baseUrl: url })
  expect(transcriberOf({ OPENAI_API_KEY: 'sk-openai', WINDLASS_TRANSCRIPTION_URL: url, WINDLASS_TRANSCRIPTION_KEY: 'own' })).toEqual({ kind: 'openai', model: 'whisper-1', baseUrl: url, apiKey: 'own' })
  expect(() => transcriberOf({})).toThrow(/needs a key/)
})
