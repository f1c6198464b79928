import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import type { Clock } from '../base/clock.ts'
import { newNonce, type Random } from '../base/random.ts'
import { createHubApi } from '../api/hub/hub-api.ts'
import type { ModelStore } from '../models/model-store.ts'

/** The hub's API over a model store, for one program on this machine: the URL is a secret, and stands in for a key. */
export async function serveModels(store: ModelStore, { clock, random, onFault }: { clock: Clock; random: Random; onFault: (error: unknown) => void }): Promise<{ url: string; close: () => Promise<void> }> {
  const prefix = `/${newNonce(random)}`
  const app = new Hono()
  app.route('/', createHubApi({ models: async () => store, keys: () => [], clock, onFault }, prefix))
  const server = createServer(getRequestListener((request) => app.fetch(request), { overrideGlobalObjects: false }))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`, close }
}
