const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** `1.2 MB`: powers of 1,000, as stores are paid for. */
export function showBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toPrecision(value >= 9.995 ? 3 : 2)} ${units[unit]}`
}

export function showCount(count: number): string {
  return count.toLocaleString('en')
}

/** `3 records`, `1 record`. */
export function showNoun(count: number, noun: string, plural = `${noun}s`): string {
  return `${showCount(count)} ${count === 1 ? noun : plural}`
}

/** `12 ms`, `1.4 s`, `3 min`. */
export function showMs(ms: number): string {
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 99_500) return `${(ms / 1000).toPrecision(ms < 9_950 ? 2 : 3)} s`
  return `${Math.round(ms / 60_000)} min`
}

/** `14:05` or `3 Mar, 14:05`, in the reader's own zone; the exact time belongs beside it. */
export function showTime(iso: string, now: Date): string {
  const time = new Date(iso)
  if (Number.isNaN(time.getTime())) return iso
  const clock = time.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  if (time.toDateString() === now.toDateString()) return `today ${clock}`
  const date = time.toLocaleDateString([], { day: 'numeric', month: 'short', ...(time.getFullYear() !== now.getFullYear() && { year: 'numeric' }) })
  return `${date}, ${clock}`
}

/** `$0.02`, `$12`, `$0.0004`: two digits that mean something. */
export function showDollars(amount: number): string {
  if (amount === 0) return '$0'
  if (amount < 0.000_05) return 'under $0.0001'
  if (amount < 0.095) return `$${Number(amount.toPrecision(2))}`
  return `$${amount < 99.5 ? amount.toFixed(2) : showCount(Math.round(amount))}`
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of `30s`, `5m`, `1h`; NaN for another text. */
export function parseDuration(text: string): number {
  const [, value, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? []
  return unit === undefined ? NaN : Number(value) * unitsMs[unit]!
}
