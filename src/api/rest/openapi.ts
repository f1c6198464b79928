import { z } from 'zod'
import type { Route } from './route.ts'
import { errorSchema, namedSchemas } from './schemas.ts'

type Json = Record<string, unknown>

/** The OpenAPI 3.1 document of `routes`. */
export function openApiDocument(routes: readonly Route[], version: string): Json {
  const paths: Record<string, Json> = {}
  for (const route of routes) (paths[route.path.replaceAll('*}', '}')] ??= {})[route.method] = operationOf(route)
  const { schemas } = z.toJSONSchema(namedSchemas, { uri: (id) => `#/components/schemas/${id}`, io: 'input' })
  return {
    openapi: '3.1.0',
    info: { title: 'Windlass', version, description: 'Search over files and vectors whose only durable state is a bucket', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, withoutIds(schema as Json)])),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'Secret of a key; needed once keys are configured' },
        basic: { type: 'http', scheme: 'basic', description: 'Id and secret of a key' },
      },
    },
  }
}

function operationOf({ operationId, summary, tag, role, params, query, body, rawBody, answers }: Route): Json {
  return {
    operationId,
    summary,
    tags: [tag],
    security: role === null ? [] : [{ bearer: [] }, { basic: [] }],
    parameters: [...parametersOf('path', params), ...parametersOf('query', query)],
    ...(body && { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body) } } } }),
    ...(rawBody && {
      requestBody: {
        required: true,
        content: Object.fromEntries(Object.entries(rawBody).map(([type, description]) => [type, { schema: { description, ...(type.startsWith('multipart') ? { type: 'object' } : {}) } }])),
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, { description, schema, contentType }]) => [
          status,
          { description, ...((schema || contentType) && { content: { [contentType ?? 'application/json']: { schema: schema ? schemaOf(schema) : { type: 'string' } } } }) },
        ]),
      ),
      default: { description: 'What went wrong, and what to do', content: { 'application/json': { schema: schemaOf(errorSchema) } } },
    },
  }
}

function parametersOf(place: 'path' | 'query', schema: z.ZodObject | undefined): Json[] {
  if (!schema) return []
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as { properties?: Record<string, Json>; required?: string[] }
  return Object.entries(schema.shape).map(([name, field]) => {
    // A number in a query is text before it is read; its type for the caller is what comes out.
    const described = isCoerced(field as z.ZodType) ? withoutIds(z.toJSONSchema(field as z.ZodType, { io: 'output', unrepresentable: 'any' }) as Json) : properties[name]!
    const { description, ...rest } = described
    return { name, in: place, required: place === 'path' || required.includes(name), ...(description !== undefined && { description }), schema: rest }
  })
}

function isCoerced(field: z.ZodType): boolean {
  const output = z.toJSONSchema(field, { io: 'output', unrepresentable: 'any' }) as { type?: string }
  return output.type === 'integer' || output.type === 'number'
}

function schemaOf(schema: z.ZodType): Json {
  const id = namedSchemas.get(schema)?.id
  return id ? { $ref: `#/components/schemas/${id}` } : withoutIds(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json)
}

function withoutIds({ $schema: _, $id: __, ...schema }: Json): Json {
  return schema
}
