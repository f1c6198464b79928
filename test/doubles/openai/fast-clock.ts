import { systemClock, type Clock } from '../../../src/base/clock.ts'

/** Real time, `times` as fast: waits of minutes in tests over real sockets, which no simulated clock could time. */
export function fastClock(times: number): Clock {
  const start = { now: systemClock.now(), monotonic: systemClock.monotonic() }
  const elapsed = () => (systemClock.monotonic() - start.monotonic) * times
  return {
    now: () => start.now + elapsed(),
    monotonic: () => start.monotonic + elapsed(),
    sleep: (ms, signal) => systemClock.sleep(ms / times, signal),
  }
}
