import type { Command } from 'commander'
import type { Host } from './init/hosts.ts'
import { reporting, type Flags } from './run.ts'

const hostTexts: Readonly<Record<Host, string>> = {
  docker: 'a Dockerfile and a compose.yaml for the server',
  koyeb: "a Dockerfile and the lines of Koyeb's CLI for the server",
  fly: 'a Dockerfile and a fly.toml for the server',
  lambda: 'a SAM template for the function that follows a bucket',
}

/** Adds `windlass init …`. */
export function addInitCommands(program: Command, version: string): void {
  const init = program.command('init').description('begin with Windlass: s3, s3vectors, models, github, docker, koyeb, fly, lambda')
  const command = (usage: string, description: string) => init.command(usage).description(description).option('--dry-run', 'show it and write nothing').option('--force', 'replace what is there')
  const endpoint = ['--endpoint <url>', 'of a store that is not AWS'] as const

  command('s3 <bucket> [region]', 'write a commented .env for a bucket; print the policy and the commands that make both')
    .option(...endpoint)
    .action((bucket: string, region: string | undefined, flags: Flags) => reporting(flags, async () => (await import('./init/storage.ts')).initS3(bucket, region, flags)))

  command('s3vectors <bucket> <index> [region]', 'the same for a vector bucket and its index')
    .option(...endpoint)
    .option('--dimension <count>', 'values of a vector (default: VECTOR_DIMENSION, or 384)')
    .option('--create', 'make the vector bucket and the index, where they are missing')
    .action((bucket: string, index: string, region: string | undefined, flags: Flags) => reporting(flags, async () => (await import('./init/storage.ts')).initS3Vectors(bucket, index, region, flags)))

  init
    .command('models <bucket> <region>')
    .description('make a bucket for models, where it is missing; print the policy and the environment for Koyeb, Fly, Docker, Lambda')
    .option('--dry-run', 'make nothing')
    .option(...endpoint)
    .action((bucket: string, region: string, flags: Flags) => reporting(flags, async () => (await import('./init/storage.ts')).initModels(bucket, region, flags)))

  command('github', 'write a workflow that keeps an index in step with the repository, and say which secrets it needs')
    .option('--uses <action>', 'run the action, owner/repository/action@ref, instead of the package from npm')
    .action((flags: Flags) =>
      reporting(flags, async () => {
        const { initGithub } = await import('./commands/init-github.ts')
        initGithub(flags, { version })
      }),
    )

  for (const [host, description] of Object.entries(hostTexts)) {
    command(host, `write ${description}, and say what is left to do`)
      .option('--name <name>', 'of the application (default: windlass)')
      .option('--bucket <url>', 's3://bucket/prefix (default: environment)')
      .action((flags: Flags) => reporting(flags, async () => (await import('./init/hosts.ts')).initHost(host as Host, flags, { version })))
  }
}
