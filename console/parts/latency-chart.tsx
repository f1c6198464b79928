import { measurements, quantile, warmthOf, type Warmth } from '../latency.ts'
import { showBytes, showMs, showNoun } from '../quantities.ts'

const width = 240
const height = 96
const base = height - 4

/** The last queries of this page, cold and warm told apart; time on the server, on a logarithmic scale. */
export function LatencyChart() {
  const all = measurements()
  if (all.length === 0) return null
  const shown = all.slice(-30)
  const top = Math.max(100, ...shown.map(({ ms }) => ms))
  const low = Math.min(1, ...shown.map(({ ms }) => ms))
  const y = (ms: number) => base - ((Math.log(Math.max(ms, low)) - Math.log(low)) / (Math.log(top) - Math.log(low))) * (base - 14)
  const step = width / Math.max(12, shown.length)
  return (
    <figure class="panel">
      <h2>Recent queries</h2>
      <svg class="chart" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`Time on the server of the last ${showNoun(shown.length, 'query', 'queries')}`}>
        {[1, 10, 100, 1000, 10_000].filter((ms) => ms >= low && ms <= top).map((ms) => (
          <g key={ms}>
            <line x1="0" x2={width} y1={y(ms)} y2={y(ms)} />
            <text x={width} y={y(ms) - 3} text-anchor="end">
              {showMs(ms)}
            </text>
          </g>
        ))}
        {shown.map((each, i) => (
          <rect key={each.at + i} class={warmthOf(each)} x={i * step + 1} y={Math.min(y(each.ms), base - 2)} width={Math.min(14, step - 2)} height={Math.max(2, base - y(each.ms))} rx="2">
            <title>{`${each.question}: ${showMs(each.ms)}, ${showNoun(each.requests, 'request')}, ${showBytes(each.bytesRead)}`}</title>
          </rect>
        ))}
      </svg>
      <figcaption class="legend">
        {warmths.map(([warmth, name]) => (
          <Line key={warmth} warmth={warmth} name={name} times={all.filter((each) => warmthOf(each) === warmth).map(({ ms }) => ms)} />
        ))}
      </figcaption>
    </figure>
  )
}

const warmths: readonly (readonly [Warmth, string])[] = [
  ['memory', 'Warm: all in memory'],
  ['texts', 'Vectors in memory, texts read'],
  ['cold', 'Cold: vectors read too'],
]

function Line({ warmth, name, times }: { warmth: Warmth; name: string; times: readonly number[] }) {
  return (
    <p>
      <span class={`key ${warmth}`} />
      <small>
        {name}
        <br />
        <span class="quiet">{times.length === 0 ? 'none yet' : `${times.length}, median ${showMs(quantile(times, 0.5)!)}, slowest ${showMs(Math.max(...times))}`}</span>
      </small>
    </p>
  )
}
