import fc from 'fast-check'

/**
 * Property tests see the same values in every run, so that a failure is the change's own; `npm run soak fuzz` looks for new
 * ones, with a seed of the clock, which fast-check prints when it finds one.
 */
const seed = process.env['WINDLASS_FUZZ_SEED'] ?? '1'
fc.configureGlobal(seed === 'clock' ? {} : { seed: Number(seed) })
