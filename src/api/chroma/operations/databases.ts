import type { ChromaRequest, ChromaRoute } from '../context.ts'
import { createDatabase, createTenant, findTenant, getDatabase, listDatabases, removeDatabase, renameTenantResource } from '../databases.ts'
import { invalid, notFound } from '../errors.ts'
import { checkName, prefixOf } from '../names.ts'
import { placeOfRequest } from '../collections.ts'
import { asText, member } from '../read-body.ts'
import { pageOf } from '../page.ts'

const tenantLengthMin = 3
// With its database and a collection's name it has to fit a name of the catalog.
const tenantLengthMax = 128

const postTenant = async ({ body, context }: ChromaRequest) => {
  const name = asText(member(body, 'name'), 'name')
  if (name.length < tenantLengthMin) throw invalid(`Validation error: name: Validation error: length [{"value": String(${JSON.stringify(name)}), "min": Number(${tenantLengthMin})}]`)
  if (name.length > tenantLengthMax) throw invalid(`Validation error: name: at most ${tenantLengthMax} characters`)
  context.access.require('admin')
  await createTenant(name, context)
  return { json: {} }
}

const getTenant = async ({ params, context }: ChromaRequest) => {
  const tenant = params.tenant!
  const found = await findTenant(tenant, context)
  if (!found) throw notFound(`Tenant [${tenant}] not found`)
  return { json: { name: tenant, resource_name: found.resourceName } }
}

const patchTenant = async ({ params, body, context }: ChromaRequest) => {
  const resourceName = asText(member(body, 'resource_name'), 'resource_name')
  context.access.require('admin')
  await renameTenantResource(params.tenant!, resourceName, context)
  return { json: {} }
}

const getDatabases = async ({ params, query, context }: ChromaRequest) => ({ json: await listDatabases(params.tenant!, pageOf(query), context) })

const postDatabase = async ({ params, body, context }: ChromaRequest) => {
  const name = asText(member(body, 'name'), 'name')
  checkName(name, '')
  context.access.require('admin')
  await createDatabase({ tenant: params.tenant!, database: name }, context)
  return { json: {} }
}

const getOneDatabase = async (request: ChromaRequest) => ({ json: await getDatabase(placeOfRequest(request), request.context) })

const deleteDatabase = async (request: ChromaRequest) => {
  const place = placeOfRequest(request)
  request.context.access.require('admin', `${prefixOf(place)}*`)
  await removeDatabase(place, request.context)
  return { json: {} }
}

/** Calls about tenants and databases. */
export const databaseRoutes: readonly ChromaRoute[] = [
  { method: 'POST', path: '/tenants', handle: postTenant },
  { method: 'GET', path: '/tenants/{tenant}', handle: getTenant },
  { method: 'PATCH', path: '/tenants/{tenant}', handle: patchTenant },
  { method: 'GET', path: '/tenants/{tenant}/databases', handle: getDatabases },
  { method: 'POST', path: '/tenants/{tenant}/databases', handle: postDatabase },
  { method: 'GET', path: '/tenants/{tenant}/databases/{database}', handle: getOneDatabase },
  { method: 'DELETE', path: '/tenants/{tenant}/databases/{database}', handle: deleteDatabase },
]
