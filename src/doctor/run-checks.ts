import { isWindlassError, messageOf } from '../base/errors.ts'
import { WindlassError } from '../base/errors.ts'
import { problem, type Check, type DoctorContext, type Finding } from './check.ts'

/** A check and what it found; `skipped` names the check whose problem it waits for. */
export interface CheckResult {
  readonly check: string
  readonly findings: readonly Finding[]
  readonly skipped?: string
}

const timeoutMsDefault = 15_000

/**
 * Runs the checks that apply, one after another, and gives each result as it comes. A check that throws, or that takes too long, has a
 * problem.
 * @param only Names of checks; those that they need run as well.
 * @throws {WindlassError} `invalid` for a name that no check has.
 */
export async function* runChecks(checks: readonly Check[], context: DoctorContext, only: readonly string[] = []): AsyncGenerator<CheckResult> {
  const wanted = chooseChecks(checks, only)
  const failed = new Set<string>()
  for (const check of checks) {
    if (!wanted.has(check.name)) continue
    const blocker = check.needs?.find((name) => failed.has(name))
    if (blocker !== undefined) {
      failed.add(check.name)
      if (check.applies(context)) yield { check: check.name, findings: [], skipped: blocker }
      continue
    }
    if (!check.applies(context)) continue
    const findings = await runCheck(check, context)
    if (findings.some(({ level }) => level === 'problem')) failed.add(check.name)
    yield { check: check.name, findings }
  }
}

/** The names of `only` and of what they need; all, where none is named. */
function chooseChecks(checks: readonly Check[], only: readonly string[]): Set<string> {
  const byName = new Map(checks.map((check) => [check.name, check]))
  const wanted = new Set<string>()
  const add = (name: string) => {
    const check = byName.get(name)
    if (!check) throw new WindlassError('invalid', `doctor has no check ${JSON.stringify(name)}: it has ${[...byName.keys()].join(', ')}`, { path: 'only' })
    wanted.add(name)
    check.needs?.forEach(add)
  }
  for (const name of only.length === 0 ? byName.keys() : only) add(name)
  return wanted
}

async function runCheck(check: Check, context: DoctorContext): Promise<readonly Finding[]> {
  const { clock } = context
  const limitMs = check.timeoutMs ?? timeoutMsDefault
  const [limit, cancel] = [new AbortController(), new AbortController()]
  const late = clock.sleep(limitMs, limit.signal).then(() => [problem(`no end after ${limitMs / 1000} s`, { why: 'whatever is asked takes the request and does not answer it: a firewall, or a server that hangs' })])
  try {
    // A sleep that is ended throws, which nobody waits for then.
    return await Promise.race([check.run(context, cancel.signal), late])
  } catch (error) {
    return [problem(isWindlassError(error) ? error.message : `the check failed: ${messageOf(error)}`)]
  } finally {
    late.catch(() => undefined)
    limit.abort()
    cancel.abort()
  }
}
