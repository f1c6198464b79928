import { ok, warning, type Check, type Finding } from './check.ts'

// AWS's SDK reads these of the process, where `.env` does not put them.
const chainVariables = ['AWS_PROFILE', 'AWS_ROLE_ARN', 'AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE', 'AWS_CONTAINER_CREDENTIALS_FULL_URI', 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_ENDPOINT_URL_S3VECTORS']

/** Variables that say different things, that are spelled almost right, or that nobody reads where they are. */
export const settingsCheck: Check = {
  name: 'settings',
  applies: () => true,
  async run({ configuration, processEnvironment }) {
    const findings: Finding[] = configuration.warnings.map((text) => warning(text, { mend: `unset the one that is not meant: ${namesIn(text).join(' or ')}` }))
    if (configuration.text('s3-bucket') !== undefined && configuration.boolean('s3-enabled') === false) {
      findings.push(warning(`${configuration.origin('s3-bucket')} names ${configuration.text('s3-bucket')}, and ${configuration.origin('s3-enabled')} is false: a directory is used instead`, { mend: 'S3_ENABLED=true' }))
    }
    for (const name of chainVariables) {
      if (configuration.environment[name] && !processEnvironment[name]) findings.push(warning(`${name} stands in .env only: AWS's SDK does not read it there`, { mend: `export ${name}=${configuration.environment[name]}` }))
    }
    if (findings.length > 0) return findings
    const given = configuration.list().filter(({ origin }) => origin !== 'default').length
    return [ok(`${given === 1 ? 'one setting is' : `${given} settings are`} given, and none contradicts another (windlass config shows them)`)]
  },
}

function namesIn(warningText: string): string[] {
  const [, winner = '', loser = ''] = /^(.+?) and (.+?) differ/.exec(warningText) ?? []
  return [winner, loser]
}
