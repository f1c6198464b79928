/** A size for people: 1.5 MB. Units are powers of 1,000. */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3), units.length - 1)
  return power === 0 ? `${bytes} B` : `${(bytes / 1000 ** power).toFixed(1)} ${units[power]}`
}

/** `1 file`, `2 files`, `1,000 files`. */
export function countText(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

/** The part of `text` in [start, end), on one line, its marked ranges passed through `mark`. */
export function markedText(
  text: string,
  window: { readonly start: number; readonly end: number },
  ranges: readonly { readonly start: number; readonly end: number }[],
  mark: (part: string) => string,
): string {
  let shown = window.start > 0 ? '…' : ''
  let position = window.start
  for (const { start, end } of ranges) {
    if (end <= window.start || start >= window.end) continue
    shown += `${text.slice(position, start)}${mark(text.slice(start, end))}`
    position = end
  }
  shown += text.slice(position, Math.max(position, window.end)) + (window.end < text.length ? '…' : '')
  return printable(shown.replace(/\s+/g, ' ').trim())
}

/** Text of a document without characters that a terminal would obey; colours that we add are kept. */
export function printable(text: string): string {
  return text.replace(/\u001b(?!\[\d{1,2}m)|[\u0000-\u0009\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g, '\ufffd')
}
