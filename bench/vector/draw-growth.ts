// Draws growth.json as docs/vector-growth.svg: three panels, both axes logarithmic, a line for each recall wished.
//
// npx tsx bench/vector/draw-growth.ts
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Growth } from './growth-table.ts'

const all = JSON.parse(readFileSync(join(import.meta.dirname, 'growth.json'), 'utf8')) as Growth[]
const panels: { title: string; of: (growth: Growth) => number }[] = [
  { title: 'queries a second of one core', of: ({ perCoreSecond }) => perCoreSecond },
  { title: 'MB a cold query reads', of: ({ coldBytes }) => coldBytes / 1e6 },
  { title: 'build, seconds of one core', of: ({ buildSeconds }) => buildSeconds },
]
// Colors that readers with any color vision tell apart (Okabe and Ito 2008).
const colors: Readonly<Record<number, string>> = { 0.9: '#0072b2', 0.95: '#d55e00', 0.99: '#009e73' }
const [width, height, left, top, panelWidth, panelHeight] = [930, 300, 60, 50, 230, 190]
const wishes = [...new Set(all.map(({ wished }) => wished))]

function decades(values: readonly number[]): [number, number] {
  return [Math.floor(Math.log10(Math.min(...values))), Math.ceil(Math.log10(Math.max(...values)) + 1e-9)]
}

function draw({ title, of }: (typeof panels)[number], number: number): string {
  const x0 = left + number * (panelWidth + 75)
  const [[xFrom, xTo], [yFrom, yTo]] = [decades(all.map(({ rows }) => rows)), decades(all.map(of))]
  const x = (rows: number) => x0 + ((Math.log10(rows) - xFrom) / Math.max(1, xTo - xFrom)) * panelWidth
  const y = (value: number) => top + panelHeight - ((Math.log10(value) - yFrom) / Math.max(1, yTo - yFrom)) * panelHeight
  const parts = [`<text x="${x0}" y="${top - 14}" font-weight="bold">${title}</text>`]
  for (let power = yFrom; power <= yTo; power++) {
    const at = y(10 ** power).toFixed(1)
    parts.push(`<line x1="${x0}" x2="${x0 + panelWidth}" y1="${at}" y2="${at}" stroke="#ddd"/><text x="${x0 - 6}" y="${at}" dy="4" text-anchor="end">${short(10 ** power)}</text>`)
  }
  for (let power = xFrom; power <= xTo; power++) parts.push(`<text x="${x(10 ** power).toFixed(1)}" y="${top + panelHeight + 18}" text-anchor="middle">${short(10 ** power)}</text>`)
  for (const wished of title.startsWith('build') ? wishes.slice(0, 1) : wishes) {
    const line = all.filter((growth) => growth.wished === wished)
    const color = title.startsWith('build') ? '#555' : (colors[wished] ?? '#555')
    const points = line.map((growth) => [x(growth.rows).toFixed(1), y(of(growth)).toFixed(1)] as const)
    parts.push(`<polyline fill="none" stroke="${color}" stroke-width="2" points="${points.map((point) => point.join(',')).join(' ')}"/>`)
    points.forEach(([cx, cy], i) => parts.push(`<circle cx="${cx}" cy="${cy}" r="3.5" fill="${color}"><title>${line[i]!.rows} rows: ${of(line[i]!).toPrecision(3)}</title></circle>`))
  }
  return parts.join('\n')
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6} M`
  return value >= 1000 ? `${value / 1000} k` : String(Number(value.toPrecision(1)))
}

const legend = wishes.map((wished, i) => `<circle cx="${left + 90 + i * 130}" cy="${height - 16}" r="4" fill="${colors[wished] ?? '#555'}"/><text x="${left + 100 + i * 130}" y="${height - 12}">recall ${wished}</text>`)
const body = [`<rect width="${width}" height="${height}" fill="white"/>`, ...panels.map(draw), `<text x="${left}" y="${height - 12}">rows; wished</text>`, ...legend]
writeFileSync(join(import.meta.dirname, '../../docs/vector-growth.svg'), `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">\n<title>How the vector index grows with rows (synthetic, 384 dimensions)</title>\n${body.join('\n')}\n</svg>\n`)
