import type { Command } from 'commander'
import { reporting, type Flags } from './run.ts'
import type { ModelFlags } from './commands/models.ts'

/** Adds `windlass models …` and `windlass run`. @param command Makes a command with the options that all have. */
export function addModelCommands(program: Command, command: (usage: string, description: string, parent?: Command) => Command): void {
  const models = program.command('models').description('models in the bucket: pull, push, ls, verify, rm, prune')
  const several = (value: string, before: string[] = []) => [...before, value]
  // Loaded when they run: no other command needs the model store.
  const load = () => import('./commands/models.ts')

  command('pull <models...>', 'bring owner/name[@revision] from the hub into the bucket, and onto this disk', models)
    .option('--include <pattern>', 'only these files: `*.json`, `onnx/**`; repeatable', several)
    .option('--exclude <pattern>', 'without these files; repeatable', several)
    .option('--refresh', 'ask the hub what the branch means now')
    .option('--no-disk', 'into the bucket only')
    .option('--json', 'print JSON')
    .action((names: string[], flags: ModelFlags) => reporting(flags, async () => (await load()).pullModels(names, flags)))

  command('push <folder> <model>', 'put a folder into the bucket as owner/name[@revision]', models)
    .option('--json', 'print JSON')
    .action((folder: string, name: string, flags: Flags) => reporting(flags, async () => (await load()).pushModel(folder, name, flags)))

  command('ls', 'models in the bucket, and what of them is on this disk', models)
    .option('--json', 'print JSON')
    .action((flags: Flags) => reporting(flags, async () => (await load()).listStored(flags)))

  command('verify [model]', 'read and check every file, in the bucket and on this disk', models)
    .option('--repair', 'fetch from the hub what is damaged in the bucket')
    .option('--json', 'print JSON')
    .action((name: string | undefined, flags: Flags) => reporting(flags, async () => (await load()).verifyStored(name, flags)))

  command('rm <model>', 'remove a model from the bucket and from this disk', models).action((name: string, flags: Flags) => reporting(flags, async () => (await load()).removeStored(name, flags)))

  command('prune', 'free this disk of models that nobody uses, and the bucket of files that no model has', models)
    .option('--local', 'this disk only')
    .action((flags: Flags) => reporting(flags, async () => (await load()).pruneStored(flags)))

  command('run <words...>', 'run a program that takes its models from the bucket: windlass run -- python worker.py')
    .passThroughOptions()
    .action((words: string[], flags: Flags) =>
      reporting(flags, async () => {
        const { runProgram } = await import('./commands/run-program.ts')
        await runProgram(words, flags)
      }),
    )
}
