import { WindlassError } from '../../base/errors.ts'

/** Deeper is no data that people made, and would overflow the stack of whoever walks it. */
const depthMax = 100

/** A JSON value as lines `path.to.key: value`, in the value's order. Empty values are left out; a list of plain values is one line. */
export function recordText(value: unknown, name: string): string {
  const lines: string[] = []
  addLines(value, '', 0, lines, name)
  return lines.join('\n')
}

function addLines(value: unknown, path: string, depth: number, lines: string[], name: string): void {
  if (depth > depthMax)
    throw new WindlassError('invalid', `${name} nests values deeper than ${depthMax} levels`, { path: name })
  if (value === null || value === undefined || value === '') return
  if (typeof value !== 'object') {
    const text = String(value).replace(/\s+/g, ' ').trim()
    if (text !== '') lines.push(path === '' ? text : `${path}: ${text}`)
  } else if (Array.isArray(value)) {
    if (value.every(isPlain)) addLines(value.filter((item) => item !== null).join(', '), path, depth + 1, lines, name)
    else value.forEach((item) => addLines(item, path, depth + 1, lines, name))
  } else {
    for (const [key, item] of Object.entries(value))
      addLines(item, path === '' ? key : `${path}.${key}`, depth + 1, lines, name)
  }
}

function isPlain(value: unknown): boolean {
  return value === null || typeof value !== 'object'
}
