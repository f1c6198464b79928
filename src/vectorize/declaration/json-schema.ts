import { z } from 'zod'
import { declarationSchema } from './declaration.ts'

/** A part of a JSON Schema, as far as we walk it. */
export interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
  readonly oneOf?: readonly SchemaNode[]
  readonly anyOf?: readonly SchemaNode[]
  readonly const?: unknown
}

let built: SchemaNode | null = null

/** The JSON Schema (draft 2020-12) of a declaration as it is written, which editors complete and check. */
export function declarationJsonSchema(): SchemaNode {
  built ??= {
    title: 'windlass.yaml',
    description: 'What Windlass keeps in step with what, and how',
    ...z.toJSONSchema(declarationSchema, { io: 'input', override: ({ jsonSchema }) => void dropDerived(jsonSchema) }),
  } as SchemaNode
  return built
}

/** The text of `windlass.schema.json` at the root of the package. A test keeps the file in step. */
export function schemaFileText(): string {
  return `${JSON.stringify(declarationJsonSchema(), null, 2)}\n`
}

/** The keys that may stand at `path` of `data`; a union is taken for the variant that `data` names there. */
export function keysAt(path: readonly PropertyKey[], data: unknown): string[] {
  let node: SchemaNode | undefined = declarationJsonSchema()
  let value = data
  for (const step of path) {
    node = typeof step === 'number' ? variantOf(node, value)?.items : variantOf(node, value)?.properties?.[String(step)]
    value = (value as Record<PropertyKey, unknown> | undefined)?.[step]
  }
  return Object.keys(variantOf(node, value)?.properties ?? {})
}

function variantOf(node: SchemaNode | undefined, value: unknown): SchemaNode | undefined {
  const variants = node?.oneOf ?? node?.anyOf
  if (!variants) return node
  return variants.find(({ properties }) => Object.entries(properties ?? {}).some(([key, { const: name }]) => name !== undefined && name === (value as Record<string, unknown> | null)?.[key]))
}

/** The largest safe integer is what JSON can count to anyway. */
function dropDerived(schema: { maximum?: unknown; minimum?: unknown }): void {
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
}
