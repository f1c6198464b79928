import { Option, type Command } from 'commander'
import { withBucket, type Flags, type Session } from './run.ts'

/** Adds `windlass audio …`. @param command Makes a command with the options that all have. */
export function addAudioCommands(program: Command, command: (usage: string, description: string, parent?: Command) => Command): void {
  const audio = program.command('audio').description('recordings: who speaks when, what they say: add, ls, show, search, name, rm, work')
  // Loaded when they run: no other command needs them.
  const load = () => import('./commands/audio.ts')
  const run = (flags: Flags, task: (module: Awaited<ReturnType<typeof load>>, session: Session) => Promise<void>) => withBucket(flags, async (session) => task(await load(), session))
  const json = () => new Option('--json', 'print JSON')

  command('add <files...>', 'store recordings (files, or s3://bucket/key), find who speaks when, transcribe, cut snippets', audio)
    .option('--language <code>', 'language that is spoken: en, he; default: as it is heard')
    .option('--no-work', 'only store them: a server, or `windlass audio work`, does the rest')
    .addOption(json())
    .action((files: string[], flags: Flags) => run(flags, (module, session) => module.addRecordings(session, files, flags)))

  command('ls', 'recordings, oldest first', audio)
    .addOption(json())
    .action((flags: Flags) => run(flags, (module, session) => module.listRecordings(session, flags)))

  command('show <id>', 'speakers, snippets and transcript of a recording', audio)
    .addOption(json())
    .action((id: string, flags: Flags) => run(flags, (module, session) => module.showRecording(session, id, flags)))

  command('search <question>', 'find what was said, by meaning and by words', audio)
    .option('-k <count>', 'how many', '5')
    .option('--filter <json>', 'filter: {"speakerName": "Dana"}, {"language": "he"}')
    .addOption(json())
    .action((question: string, flags: Flags) => run(flags, (module, session) => module.searchRecordings(session, question, flags)))

  command('name <id> <speaker> <name>', 'name a speaker; later recordings know the voice', audio).action((id: string, speaker: string, name: string, flags: Flags) => run(flags, (module, session) => module.nameSpeaker(session, id, speaker, name)))

  command('rm <id>', 'remove a recording, its snippets and its passages', audio).action((id: string, flags: Flags) => run(flags, (module, session) => module.removeRecording(session, id)))

  command('work', 'finish what other processes have left', audio)
    .option('--again <id>', 'begin this recording anew: with other models, or because it failed')
    .action((flags: Flags) => run(flags, (module, session) => module.workOnRecordings(session, flags)))
}
