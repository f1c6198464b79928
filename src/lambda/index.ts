import { systemClock } from '../base/clock.ts'
import { WindlassError } from '../base/errors.ts'
import { engineSettings, loadConfiguration, modelSettings, storeSettings } from '../config/load.ts'
import { openModel } from '../embed/open-model.ts'
import { open } from '../index.ts'
import { readDeclarationFile } from '../vectorize/declaration/read-declaration.ts'
import { expandVariables } from '../vectorize/declaration/variables.ts'
import { createHandler, type HandlerParts } from './handler.ts'

export { createHandler, type HandlerParts, type InvocationReport, type LambdaContext, type SqsBatchResponse } from './handler.ts'

/**
 * The handler of a function whose folder holds a `windlass.yaml` (or whose WINDLASS_CONFIG names one): it serves every vectorizer in it
 * whose source is a bucket, or those of WINDLASS_VECTORIZERS, separated by commas. The bucket and the keys come from the environment,
 * as everywhere; in a function these are the keys of its execution role.
 */
export const handler = createHandler(openDeclared)

async function openDeclared(): Promise<HandlerParts> {
  const configuration = loadConfiguration()
  const { declaration, folder, path } = await readDeclarationFile(process.env.WINDLASS_CONFIG)
  const names = process.env.WINDLASS_VECTORIZERS?.split(',').map((name) => name.trim())
  const declared = declaration.vectorizers.filter(({ name, source }) => (names ? names.includes(name) : source.type === 's3'))
  if (declared.length === 0) throw new WindlassError('not-found', `${path} declares no vectorizer ${names ? `named ${names.join(' or ')}` : 'whose source is a bucket'}`, { path: 'vectorizers' })
  const model = modelSettings(configuration)
  const url = declaration.bucket === undefined ? configuration.bucket().url : expandVariables(declaration.bucket, process.env, `${path}: bucket`)
  const bucket = await open(url, { store: storeSettings(configuration), engine: engineSettings(configuration), embeddingModel: () => openModel(model) })
  return {
    vectorizers: declared.map((each) => bucket.vectorizer(each, { folder })),
    clock: systemClock,
    log: (line) => void process.stdout.write(`${JSON.stringify(line)}\n`),
  }
}
