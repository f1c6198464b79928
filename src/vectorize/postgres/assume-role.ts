import { awsAccess } from '../../aws/access.ts'
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { StoreSettings } from '../../store/open-store.ts'

/**
 * Takes roles with the credentials of this process, as pgai's `aws_role_arn` asks; the external id comes from `AWS_ASSUME_ROLE_EXTERNAL_ID`,
 * as it does for pgai's worker.
 */
export function roleTaker(environment: Readonly<Record<string, string | undefined>>, context: { clock: Clock; random: Random }): (roleArn: string) => Promise<StoreSettings> {
  return async (role) => {
    const access = awsAccess(environment, context)
    const externalId = environment.AWS_ASSUME_ROLE_EXTERNAL_ID
    return Promise.resolve({ credentials: access.role({ role, ...(externalId && { externalId }), sessionName: 'windlass-vectorizer' }) })
  }
}
