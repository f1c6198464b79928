/** What was heard. */
export interface Heard {
  readonly text: string
  /** ISO 639-1, where the model says it. */
  readonly language?: string
  /** Parts of the text with their times, in seconds from the start of the samples. */
  readonly parts?: readonly { readonly start: number; readonly end: number; readonly text: string }[]
}

/** Turns speech into text. */
export interface Transcriber {
  /** Kept with what it wrote. */
  readonly name: string
  /** Samples of at most so many seconds are given at once. */
  readonly secondsMax: number
  /** How many requests at once do good. */
  readonly atOnce: number
  /** @param samples One channel at 16 kHz. @throws {WindlassError} `unavailable` where it may go well later. */
  transcribe(samples: Float32Array, options: { language?: string; signal?: AbortSignal | undefined }): Promise<Heard>
}

/** Text as it is kept: NFC, in the order in which it is spoken, white space as single spaces. Nothing is reordered, and marks of direction stay where they were. */
export function cleanText(text: string): string {
  return text.normalize('NFC').replace(/\s+/gu, ' ').trim()
}

// Scripts of one language, or nearly; the rest is for the model to say.
const scripts: readonly (readonly [RegExp, string])[] = [
  [/\p{Script=Hebrew}/gu, 'he'],
  [/\p{Script=Arabic}/gu, 'ar'],
  [/\p{Script=Greek}/gu, 'el'],
  [/\p{Script=Hangul}/gu, 'ko'],
  [/[\p{Script=Hiragana}\p{Script=Katakana}]/gu, 'ja'],
  [/\p{Script=Thai}/gu, 'th'],
  [/\p{Script=Georgian}/gu, 'ka'],
  [/\p{Script=Armenian}/gu, 'hy'],
]

/** The language that a text's script tells of, where more than half of its letters are of it. */
export function languageOfScript(text: string): string | undefined {
  const letters = text.match(/\p{L}/gu)?.length ?? 0
  return scripts.find(([script]) => (text.match(script)?.length ?? 0) * 2 > letters)?.[1]
}

// As OpenAI's own model spells them; its followers mostly give codes.
const names: Readonly<Record<string, string>> = { english: 'en', hebrew: 'he', arabic: 'ar', german: 'de', french: 'fr', spanish: 'es', italian: 'it', russian: 'ru', portuguese: 'pt', dutch: 'nl', polish: 'pl', turkish: 'tr', ukrainian: 'uk', chinese: 'zh', japanese: 'ja', korean: 'ko', persian: 'fa', urdu: 'ur', yiddish: 'yi', hindi: 'hi' }

/** A language as a model spells it, as an ISO 639-1 code; undefined for what is none. */
export function languageCode(text: string | undefined): string | undefined {
  const word = text?.trim().toLowerCase().replace(/^<\|(.*)\|>$/, '$1') ?? ''
  // Hebrew was `iw` until 1989, and still is in some models.
  if (word === 'iw') return 'he'
  return names[word] ?? /^([a-z]{2,3})(-[a-z0-9]+)*$/.exec(word)?.[1]
}
