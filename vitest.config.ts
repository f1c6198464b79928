import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: 'scripts/build-kernels.mjs',
    setupFiles: 'test/setup/fuzz.ts',
    include: ['src/**/*.test.ts', 'console/**/*.test.ts', 'scripts/**/*.test.ts', 'test/**/*.test.ts'],
    // Crash and process tests start real processes; two cores are enough for two files at a time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
})
