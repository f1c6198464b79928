export interface Speaker {
  readonly id: string
  readonly name?: string
  readonly voiceDistance?: number
  readonly seconds: number
  readonly snippetSeconds?: number
}

export interface Recording {
  readonly id: string
  readonly name: string
  readonly contentType: string
  readonly sizeBytes: number
  readonly state: string
  readonly error?: string
  readonly createdAt: string
  readonly seconds?: number
  readonly language?: string
  readonly speakers: readonly Speaker[]
}

/** One person speaks, [start, end) in seconds. */
export interface Segment {
  readonly speaker: string
  readonly start: number
  readonly end: number
}

export interface TranscriptLine extends Segment {
  readonly text: string
  readonly language?: string
}
