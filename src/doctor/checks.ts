import { audioCheck } from './audio-check.ts'
import { bucketCheck } from './bucket-check.ts'
import type { Check } from './check.ts'
import { clockCheck } from './clock-check.ts'
import { conditionalWritesCheck } from './conditional-writes-check.ts'
import { credentialsCheck } from './credentials-check.ts'
import { diskCheck } from './disk-check.ts'
import { embedderCheck } from './embedder-check.ts'
import { endpointCheck } from './endpoint-check.ts'
import { modelsCheck } from './models-check.ts'
import { nodeCheck } from './node-check.ts'
import { openAiCheck } from './openai-check.ts'
import { permissionsCheck } from './permissions-check.ts'
import { postgresCheck } from './postgres-check.ts'
import { queueCheck } from './queue-check.ts'
import { s3VectorsCheck } from './s3vectors-check.ts'
import { serverCheck } from './server-check.ts'
import { settingsCheck } from './settings-check.ts'
import { vectorNamesCheck } from './vector-names-check.ts'

/** Every check, in the order in which one would look: what others stand on comes first. `docs/doctor.md` has the same list. */
export const checks: readonly Check[] = [
  nodeCheck,
  settingsCheck,
  credentialsCheck,
  endpointCheck,
  clockCheck,
  bucketCheck,
  permissionsCheck,
  conditionalWritesCheck,
  diskCheck,
  modelsCheck,
  embedderCheck,
  openAiCheck,
  audioCheck,
  vectorNamesCheck,
  s3VectorsCheck,
  postgresCheck,
  queueCheck,
  serverCheck,
]
