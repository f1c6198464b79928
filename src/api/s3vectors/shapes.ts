import { S3VectorsError, type FieldProblem } from './errors.ts'

/** What a member of a request must be: the constraint traits of the service model. */
export type Shape =
  | { readonly type: 'string'; readonly min?: number; readonly max?: number; readonly pattern?: string; readonly values?: readonly string[] }
  | { readonly type: 'integer'; readonly min?: number; readonly max?: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'document' }
  | { readonly type: 'vector' }
  | { readonly type: 'list'; readonly of: Shape; readonly min?: number; readonly max?: number }
  | { readonly type: 'map'; readonly key: Shape; readonly value: Shape }
  | { readonly type: 'structure'; readonly members: Readonly<Record<string, Shape>>; readonly required?: readonly string[] }

/** Found problems are told up to this many; the rest would only fill the answer. */
const problemsMax = 10

/**
 * Checks a request against its shape. Members that the shape does not know are ignored, as AWS does.
 * @throws {S3VectorsError} `ValidationException` that names every member at fault.
 */
export function checkShape(value: unknown, shape: Shape): void {
  const problems: FieldProblem[] = []
  check(value, shape, '', problems)
  if (problems.length === 0) return
  const shown = problems.slice(0, problemsMax)
  const count = `${problems.length} validation error${problems.length === 1 ? '' : 's'} detected. `
  throw new S3VectorsError('ValidationException', count + shown.map(({ message }) => message).join('; '), shown)
}

function check(value: unknown, shape: Shape, path: string, problems: FieldProblem[]): void {
  const fail = (constraint: string, length?: number) => {
    const subject = length === undefined ? `Value at '${path}'` : `Value with length ${length} at '${path}'`
    problems.push({ path, message: `${subject} failed to satisfy constraint: Member must ${constraint}` })
  }
  switch (shape.type) {
    case 'string':
      return checkString(value, shape, fail)
    case 'integer':
      if (typeof value !== 'number' || !Number.isInteger(value)) return fail('be an integer')
      return checkRange(value, shape, fail)
    case 'boolean':
      return typeof value === 'boolean' ? undefined : fail('be a boolean')
    case 'document':
      return isObject(value) ? undefined : fail('be an object')
    case 'vector':
      return checkVector(value, fail)
    case 'list':
      if (!Array.isArray(value)) return fail('be a list')
      if (isOutside(value.length, shape)) fail(`have length ${rangeText(shape)}`, value.length)
      else for (let i = 0; i < value.length && problems.length < problemsMax; i++) check(value[i], shape.of, `${path}/${i}`, problems)
      return
    case 'map':
      if (!isObject(value)) return fail('be a map')
      for (const [key, each] of Object.entries(value)) {
        check(key, shape.key, `${path}/${key}`, problems)
        check(each, shape.value, `${path}/${key}`, problems)
      }
      return
    case 'structure':
      if (!isObject(value)) return fail('be a structure')
      for (const name of shape.required ?? []) if (value[name] === undefined || value[name] === null) check(null, { type: 'string' }, `${path}/${name}`, problems)
      for (const [name, member] of Object.entries(shape.members)) {
        if (value[name] !== undefined && value[name] !== null) check(value[name], member, `${path}/${name}`, problems)
      }
  }
}

type Fail = (constraint: string, length?: number) => void

function checkString(value: unknown, { min, max, pattern, values }: Shape & { type: 'string' }, fail: Fail): void {
  if (value === null || value === undefined) return fail('not be null')
  if (typeof value !== 'string') return fail('be a string')
  if (values) return values.includes(value) ? undefined : fail(`satisfy enum value set: [${values.join(', ')}]`)
  const length = [...value].length
  if (isOutside(length, { ...(min !== undefined && { min }), ...(max !== undefined && { max }) })) return fail(`have length ${rangeText({ ...(min !== undefined && { min }), ...(max !== undefined && { max }) })}`, length)
  if (pattern !== undefined && !new RegExp(`^(?:${pattern})$`, 'u').test(value)) fail(`satisfy regular expression pattern: ${pattern}`)
}

function checkRange(value: number, { min, max }: { min?: number; max?: number }, fail: Fail): void {
  const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) }
  if (isOutside(value, bounds)) fail(`be ${max === undefined ? `greater than or equal to ${min}` : rangeText(bounds)}`)
}

/** Numbers are checked one by one where they become float32. */
function checkVector(value: unknown, fail: Fail): void {
  if (!isObject(value) || !(Array.isArray(value.float32) || value.float32 instanceof Float32Array)) fail('have member float32, a list of numbers')
}

function isOutside(value: number, { min, max }: { readonly min?: number; readonly max?: number }): boolean {
  return (min !== undefined && value < min) || (max !== undefined && value > max)
}

function rangeText({ min = 0, max }: { readonly min?: number; readonly max?: number }): string {
  return max === undefined ? `greater than or equal to ${min}` : `between ${min} and ${max}, inclusive`
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
