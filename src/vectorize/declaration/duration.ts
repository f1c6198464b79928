import { WindlassError } from '../../base/errors.ts'

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of `500ms`, `30s`, `1.5m`, `2h`, `1d`. @throws {WindlassError} `invalid`. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text)
  if (!match) throw new WindlassError('invalid', `${JSON.stringify(text)} is not a time such as 30s, 5m, 1h`)
  return Number(match[1]) * unitsMs[match[2]!]!
}
