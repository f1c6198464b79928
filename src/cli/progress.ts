import cliProgress from 'cli-progress'
import { systemClock } from '../base/clock.ts'
import { sizeText } from './text.ts'

/** How far a run has come: a bar on a terminal, a line now and then elsewhere. */
export interface Progress {
  /** @param total Of all, as far as they are counted; `bytes` of 0 are not told. */
  update(done: number, total: number, bytes: number, isCounted: boolean): void
  stop(): void
}

const lineEveryMs = 10_000

/** Progress on standard error: standard output belongs to the report. */
export function startProgress({ isTerminal, noun = 'files' }: { isTerminal: boolean; noun?: string }): Progress {
  return isTerminal ? bar(noun) : lines(noun)
}

const sizePart = (bytes: number) => (bytes === 0 ? '' : `, ${sizeText(bytes)}`)

function bar(noun: string): Progress {
  const started = systemClock.monotonic()
  const single = new cliProgress.SingleBar({
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    fps: 8,
    format: (options, parameters, payload: { bytes: number; counted: boolean }) => {
      const seconds = (systemClock.monotonic() - started) / 1000
      const { value, total } = parameters
      const rate = value / Math.max(seconds, 0.001)
      const left = payload.counted && value > 0 ? `, ${Math.ceil((total - value) / rate)} s left` : ''
      const drawn = cliProgress.Format.BarFormat(total > 0 ? value / total : 0, options)
      return `${drawn} ${value}/${total}${payload.counted ? '' : '+'} ${noun}${sizePart(payload.bytes)}, ${rate.toFixed(0)} ${noun}/s${left}`
    },
    barsize: 30,
    barCompleteChar: '█',
    barIncompleteChar: '░',
  })
  single.start(0, 0, { bytes: 0, counted: false })
  return {
    update(done, total, bytes, isCounted) {
      single.setTotal(Math.max(total, done))
      single.update(done, { bytes, counted: isCounted })
    },
    stop: () => single.stop(),
  }
}

function lines(noun: string): Progress {
  let last = systemClock.monotonic()
  return {
    update(done, total, bytes, isCounted) {
      if (systemClock.monotonic() - last < lineEveryMs) return
      last = systemClock.monotonic()
      process.stderr.write(`${done} of ${total}${isCounted ? '' : '+'} ${noun}${sizePart(bytes)}\n`)
    },
    stop: () => undefined,
  }
}
