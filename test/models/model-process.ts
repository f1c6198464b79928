// A process with a model store: uses the model named, says how it went, and stays until it is killed if told to.
// Arguments: settings of the store and what to do, as JSON.
import { openModelStore, type ModelStoreSettings } from '../../src/models/open-model-store.ts'

const { settings, name, stay } = JSON.parse(process.argv[2]!) as { settings: ModelStoreSettings; name: string; stay?: boolean }
const say = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`)
const store = await openModelStore(settings, { onEvent: say })
const model = await store.use(name)
say({ event: 'using', folder: model.folder })
if (stay) setInterval(() => undefined, 1000)
else {
  await model.release()
  await store.close()
}
