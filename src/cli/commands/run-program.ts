import { spawn } from 'node:child_process'
import { constants, tmpdir } from 'node:os'
import { systemClock } from '../../base/clock.ts'
import { messageOf, WindlassError } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import { modelStoreSettings } from '../../config/load.ts'
import { openModelStore } from '../../models/open-model-store.ts'
import { makeRunFolder, modelEnvironment } from '../../models/run-environment.ts'
import { serveModels } from '../../server/model-endpoint.ts'
import { tellEvent } from '../model-store.ts'
import { configure, type Flags } from '../run.ts'

/**
 * `windlass run -- <command>`: runs a program whose model libraries take their models from the store and keep them in scratch, which is
 * gone when it ends. Ends with the program's own status. The store has no disk of its own here: the program's copy is one already.
 */
export async function runProgram(words: readonly string[], flags: Flags): Promise<void> {
  const [program, ...parameters] = words
  if (program === undefined) throw new WindlassError('invalid', 'run needs a command: windlass run -- python worker.py', { path: 'command' })
  const configuration = configure(flags)
  const shared = { clock: systemClock, random: systemRandom }
  const store = await openModelStore({ ...modelStoreSettings(configuration), folder: null }, { ...shared, onEvent: tellEvent })
  const scratch = await makeRunFolder(configuration.text('scratch') ?? tmpdir(), shared)
  const endpoint = await serveModels(store, { ...shared, onFault: (error) => process.stderr.write(`windlass: ${messageOf(error)}\n`) })
  try {
    process.exitCode = await runChild(program, parameters, { ...process.env, ...modelEnvironment(endpoint.url, scratch.folder) })
  } finally {
    await endpoint.close()
    await store.close()
    await scratch.remove()
  }
}

function runChild(program: string, parameters: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { stdio: 'inherit', env })
    const pass = (signal: NodeJS.Signals) => void child.kill(signal)
    const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
    for (const signal of signals) process.on(signal, pass)
    const end = () => {
      for (const signal of signals) process.off(signal, pass)
    }
    child.once('error', (cause) => {
      end()
      reject(new WindlassError('not-found', `${program} cannot be run: ${messageOf(cause)}`, { path: 'command', cause }))
    })
    child.once('close', (code, signal) => {
      end()
      // As shells have it.
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0))
    })
  })
}
