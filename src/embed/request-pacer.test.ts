import { expect, test } from 'vitest'
import { isWindlassError } from '../base/errors.ts'
import { SimClock } from '../testing/sim-clock.ts'
import { RequestPacer } from './request-pacer.ts'

const whole = { limit: 1000, remaining: 1000, resetMs: 0 }

test('half as many run at once after a refusal, one more after a round of successes', async () => {
  const pacer = new RequestPacer({ clock: new SimClock(), requestsAtOnce: 8 })
  const round = async () => {
    const admissions = []
    for (let i = pacer.atOnce; i > 0; i--) admissions.push(await pacer.admit(1))
    return admissions
  }
  expect(pacer.atOnce).toBe(4)
  for (const admission of await round()) admission.succeeded({})
  for (const admission of await round()) admission.succeeded({})
  expect(pacer.atOnce).toBe(5)
  for (let i = 0; i < 20; i++) for (const admission of await round()) admission.succeeded({})
  expect(pacer.atOnce).toBe(8)
  // All of them began before the first refusal: one cut.
  const clock = new SimClock()
  const other = new RequestPacer({ clock, requestsAtOnce: 4 })
  const four = [await other.admit(1), await other.admit(1), await other.admit(1), await other.admit(1)]
  await clock.advance(10)
  for (const admission of four) admission.refused(0, {})
  expect(other.atOnce).toBe(2)
})

test('nobody goes before the server said, first come, first served', async () => {
  const clock = new SimClock()
  const pacer = new RequestPacer({ clock, requestsAtOnce: 4 })
  const first = await pacer.admit(1)
  first.refused(5000, {})
  const order: [string, number][] = []
  const work = Promise.all(['a', 'b', 'c'].map(async (name) => {
    const admission = await pacer.admit(1)
    order.push([name, clock.monotonic()])
    await clock.sleep(10)
    admission.failed()
  }))
  await clock.runUntil(work)
  expect(order).toEqual([['a', 5000], ['b', 5000], ['c', 5010]])
})

test('tokens are spent no faster than the headers say that they come back', async () => {
  const clock = new SimClock()
  const pacer = new RequestPacer({ clock, requestsAtOnce: 4 })
  // 900 of 1,000 tokens are spent and come back within 9 s: 100 a second.
  const first = await pacer.admit(1)
  first.succeeded({ tokens: { limit: 1000, remaining: 100, resetMs: 9000 } })
  const times: number[] = []
  const work = (async () => {
    for (const tokens of [100, 200, 300]) {
      const admission = await pacer.admit(tokens)
      times.push(clock.monotonic())
      admission.succeeded({})
    }
  })()
  await clock.runUntil(work)
  expect(times).toEqual([0, 2000, 5000])
})

test('a request larger than the whole limit goes when the limit is whole', async () => {
  const clock = new SimClock()
  const pacer = new RequestPacer({ clock, requestsAtOnce: 4 })
  ;(await pacer.admit(1)).succeeded({ tokens: { ...whole, remaining: 500, resetMs: 1000 } })
  await clock.runUntil(pacer.admit(5000))
  expect(clock.monotonic()).toBe(1000)
})

test('requests a minute are kept as tokens are', async () => {
  const clock = new SimClock()
  const pacer = new RequestPacer({ clock, requestsAtOnce: 4 })
  ;(await pacer.admit(1)).succeeded({ requests: { limit: 60, remaining: 0, resetMs: 60_000 } })
  await clock.runUntil(pacer.admit(1))
  expect(clock.monotonic()).toBe(1000)
})

test('who is aborted in line lets the next one go', async () => {
  const clock = new SimClock()
  const pacer = new RequestPacer({ clock, requestsAtOnce: 1 })
  const first = await pacer.admit(1)
  const controller = new AbortController()
  const second = pacer.admit(1, controller.signal).then(() => 'admitted', (error: unknown) => isWindlassError(error, 'cancelled'))
  const third = pacer.admit(1)
  controller.abort()
  expect(await second).toBe(true)
  first.succeeded({})
  await third
})
