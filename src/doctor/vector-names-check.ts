import { ok, problem, warning, type Check, type Finding } from './check.ts'

// As S3 Vectors has them; our own collections are named after them.
const namePattern = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const dimensionMax = 4096

/** The names of an S3 Vectors application, and the variable that each comes from. */
export const vectorNamesCheck: Check = {
  name: 'vector-names',
  applies: ({ configuration }) => configuration.text('s3-vector-bucket') !== undefined || configuration.text('s3-vector-index') !== undefined,
  async run({ configuration, bucket }) {
    const [name, index] = [configuration.text('s3-vector-bucket'), configuration.text('s3-vector-index')]
    if (name === undefined || index === undefined) {
      const missing = name === undefined ? 'S3_VECTOR_BUCKET_NAME' : 'S3_VECTOR_INDEX_NAME'
      return [warning(`${configuration.origin(name === undefined ? 's3-vector-index' : 's3-vector-bucket')} is set, and ${missing} is not`, { why: `an index has two names; without both, collection ${configuration.text('collection')} is used`, mend: `${missing}=…` })]
    }
    const findings: Finding[] = []
    for (const [setting, value] of [['s3-vector-bucket', name], ['s3-vector-index', index]] as const) {
      if (!namePattern.test(value)) findings.push(problem(`${configuration.origin(setting)} is ${JSON.stringify(value)}, which is no name of a vector ${setting === 's3-vector-bucket' ? 'bucket' : 'index'}`, { why: 'it has 3 to 63 characters of a-z, 0-9, . and -, and begins and ends with a letter or digit', mend: `${configuration.origin(setting).split(' ')[0]}=${suggestion(value)}` }))
    }
    const dimension = configuration.number('dimension')
    if (dimension !== undefined && dimension > dimensionMax) findings.push(problem(`${configuration.origin('dimension')} is ${dimension}: an index of S3 Vectors has ${dimensionMax} values at most`))
    if (findings.length > 0) return findings
    const where = configuration.hasVectorIndex() ? `collection ${name}/${index} of ${bucket.url}, which windlass serve makes where it is missing` : `not used: ${configuration.origin('collection')} names another collection`
    return [ok(`vector bucket ${name} (${configuration.origin('s3-vector-bucket')}), index ${index} (${configuration.origin('s3-vector-index')}): ${where}`)]
  },
}

function suggestion(value: string): string {
  return value.toLowerCase().replace(/[^a-z0-9.-]+/g, '-').replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '').slice(0, 63).padEnd(3, '0')
}
