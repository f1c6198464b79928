import { Hono } from 'hono'
import type { RestEnvironment } from '../api/rest/rest-api.ts'
import { AssetFolder, builtFolder } from './asset-folder.ts'

// Names of assets hold a hash of their bytes.
const immutable = 'private, max-age=31536000, immutable'
const revalidated = 'no-cache'

/**
 * The web console at `/`, its parts below `/assets/`, and the documentation below `/docs/`. They hold no secret, so that no key is asked
 * for: what the console shows comes from `/v1`. Where they are not built, the answer says how to build them.
 */
export function createConsole({ consoleFolder = builtFolder('console'), docsFolder = builtFolder('docs') }: { consoleFolder?: string | undefined; docsFolder?: string | undefined } = {}): Hono<RestEnvironment> {
  const app = new Hono<RestEnvironment>({ strict: true })
  const parts = new AssetFolder(consoleFolder)
  const pages = new AssetFolder(docsFolder)
  app.get('/', (c) => {
    c.set('route', '/')
    return parts.answer(c.req.raw, 'index.html', revalidated) ?? notBuilt('the console')
  })
  app.get('/assets/:name', (c, next) => {
    c.set('route', '/assets')
    const asset = parts.answer(c.req.raw, `assets/${c.req.param('name')}`, immutable)
    return asset ? Promise.resolve(asset) : next()
  })
  app.get('/docs', (c) => c.redirect('/docs/', 301))
  app.get('/docs/*', (c, next) => {
    c.set('route', '/docs')
    const path = c.req.path.slice('/docs/'.length)
    const page = pages.answer(c.req.raw, path === '' || path.endsWith('/') ? `${path}index.html` : path, revalidated)
    return page ? Promise.resolve(page) : path === '' ? Promise.resolve(notBuilt('the documentation')) : next()
  })
  return app
}

function notBuilt(what: string): Response {
  return new Response(`${what} is not built: run "npm run build"; the API is at /v1, see /openapi.json\n`, { status: 404, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}
