import { isS3, ok, problem, warning, type Check } from './check.ts'

// AWS refuses requests that are a quarter of an hour off.
const refusedMs = 15 * 60_000
const problemMs = 5 * 60_000
const warningMs = 30_000

/** How far this machine's clock is from the store's. */
export const clockCheck: Check = {
  name: 'clock',
  applies: isS3,
  async run({ probe }) {
    const { skewMs, error } = await probe.contact()
    if (skewMs === undefined) return error ? [] : [ok('the store tells no time')]
    const seconds = Math.round(Math.abs(skewMs) / 1000)
    const text = `this machine's clock is ${seconds} s ${skewMs > 0 ? 'behind' : 'ahead of'} the store's`
    if (Math.abs(skewMs) < warningMs) return [ok(seconds <= 1 ? "this machine's clock agrees with the store's" : text)]
    const mend = 'sudo timedatectl set-ntp true   # in a container: the clock is the host\'s; after sleep: sudo hwclock --hctosys'
    const why = `signatures hold for ${refusedMs / 60_000} minutes around the store's time; leases and expiry go by this clock`
    return [Math.abs(skewMs) < problemMs ? warning(text, { why, mend }) : problem(text, { why, mend })]
  },
}
