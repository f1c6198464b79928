import { otherVariables } from './other-variables.ts'
import { settingSpecs, type SettingSpec } from './settings.ts'

const sections: [SettingSpec['section'], string][] = [
  ['bucket', 'The bucket'],
  ['search', 'Indexing and search'],
  ['server', 'The server'],
  ['models', 'Models'],
  ['audio', 'Recordings'],
  ['process', 'The process'],
  ['vectors', 'Names that other applications use'],
]

/** The text of `env.example`: every variable, commented out, with its default. A test keeps the file in step. */
export function envExample(): string {
  const lines = ['# Copy to .env and uncomment what you need. The command line wins over the environment, the environment over .env.']
  for (const [section, title] of sections) {
    lines.push('', `## ${title}`)
    for (const spec of specsOf(section)) {
      lines.push('', ...wrap(spec.description + (spec.unit ? ` [${spec.unit}]` : '') + (spec.choices ? ` [${spec.choices.join(' | ')}]` : '')))
      const [first, ...aliases] = spec.variables
      if (aliases.length > 0) lines.push(`# Also: ${aliases.join(', ')} (the first one set wins)`)
      lines.push(`# ${first}=${spec.default ?? ''}`)
    }
  }
  lines.push('', '## Read by name, where they are used')
  for (const { name, aliases = [], description, isOfProcess } of otherVariables) {
    lines.push('', ...wrap(`${description}${isOfProcess ? ' (of the process: export it)' : ''}`))
    if (aliases.length > 0) lines.push(`# Also: ${aliases.join(', ')} (the first one set wins)`)
    lines.push(`# ${name}=`)
  }
  return `${lines.join('\n')}\n`
}

/** The table of settings for the documentation. */
export function settingsTable(): string {
  const rows = sections.flatMap(([section, title]) => [
    `\n### ${title}\n\n| setting | variables | default | meaning |\n|---|---|---|---|`,
    ...specsOf(section).map((spec) => `| \`${spec.name}\` | ${spec.variables.map((variable) => `\`${variable}\``).join(', ')} | ${spec.default === undefined ? '' : `\`${spec.default}\``} | ${spec.description}${spec.unit ? ` (${spec.unit})` : ''}${spec.secret ? ' (secret)' : ''} |`),
  ])
  const others = otherVariables.map(({ name, aliases = [], description, isOfProcess }) => `| ${[name, ...aliases].map((each) => `\`${each}\``).join(', ')} | ${description}${isOfProcess ? ' (of the process, not of `.env`)' : ''} |`)
  return `${[...rows, '\n### Read by name, where they are used\n\n| variables | meaning |\n|---|---|', ...others].join('\n')}\n`
}

function specsOf(section: SettingSpec['section']): SettingSpec[] {
  return (settingSpecs as readonly SettingSpec[]).filter((spec) => spec.section === section)
}

function wrap(text: string): string[] {
  return (text.match(/.{1,110}(?:\s|$)/g) ?? []).map((line) => `# ${line.trim()}`)
}
