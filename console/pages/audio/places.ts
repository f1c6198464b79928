import type { Segment } from './recording-types.ts'

/** How often a page that shows work asks how far it is. */
export const underWayMs = 2000

/** Whether a recording in this state is, or will be, worked on. */
export function isUnderWay(state: string): boolean {
  return state !== 'done' && state !== 'failed'
}

/** `2:03`, `1:02:03`. */
export function showSeconds(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (value: number) => String(value).padStart(2, '0')
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}

/** The last of `lines`, which are in the order of their starts, that has begun at `seconds`; -1 before the first. */
export function lineAt(lines: readonly Pick<Segment, 'start'>[], seconds: number): number {
  let low = 0
  let high = lines.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (lines[middle]!.start <= seconds) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Segments as shares of the whole, those that would touch on `widthPixels` drawn as one: an hour has more of them than there are pixels. */
export function drawn(segments: readonly Segment[], seconds: number, widthPixels: number): { start: number; width: number }[] {
  const result: { start: number; width: number }[] = []
  const touching = 1 / widthPixels
  for (const segment of [...segments].sort((a, b) => a.start - b.start)) {
    const start = Math.max(0, Math.min(1, segment.start / seconds))
    const end = Math.max(start, Math.min(1, segment.end / seconds))
    const last = result.at(-1)
    if (last && start - (last.start + last.width) < touching) last.width = Math.max(last.width, end - last.start)
    else result.push({ start, width: end - start })
  }
  return result
}
