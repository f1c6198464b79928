import { isWarm, measurements, quantile } from '../latency.ts'
import { showBytes, showMs, showNoun } from '../quantities.ts'

const width = 240
const height = 96
const base = height - 4

/** The last queries of this page, cold and warm apart; time on the server, on a logarithmic scale. */
export function LatencyChart() {
  const all = measurements()
  if (all.length === 0) return null
  const shown = all.slice(-30)
  const top = Math.max(100, ...shown.map(({ ms }) => ms))
  const low = Math.min(1, ...shown.map(({ ms }) => ms))
  const y = (ms: number) => base - ((Math.log(Math.max(ms, low)) - Math.log(low)) / (Math.log(top) - Math.log(low))) * (base - 14)
  const step = width / Math.max(12, shown.length)
  const of = (warm: boolean) => all.filter((each) => isWarm(each) === warm).map(({ ms }) => ms)
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
          <rect key={each.at + i} class={isWarm(each) ? 'warm' : 'cold'} x={i * step + 1} y={Math.min(y(each.ms), base - 2)} width={Math.min(14, step - 2)} height={Math.max(2, base - y(each.ms))} rx="2">
            <title>{`${each.question}: ${showMs(each.ms)}, ${showNoun(each.requests, 'request')}, ${showBytes(each.bytesRead)}`}</title>
          </rect>
        ))}
      </svg>
      <figcaption>
        <Line name="warm" times={of(true)} />
        <Line name="cold" times={of(false)} />
      </figcaption>
    </figure>
  )
}

function Line({ name, times }: { name: 'warm' | 'cold'; times: readonly number[] }) {
  return (
    <p class="row">
      <span class={`key ${name}`} />
      <small>
        {name === 'warm' ? 'Warm, all in memory' : 'Cold, read from the bucket'}: {times.length === 0 ? 'none' : `${times.length}, median ${showMs(quantile(times, 0.5)!)}, slowest ${showMs(Math.max(...times))}`}
      </small>
    </p>
  )
}
