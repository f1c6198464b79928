import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { PGlite } from '@electric-sql/pglite'

const sslRequest = 80_877_103
const cancelRequest = 80_877_102
const startup = 196_608

/**
 * Lets several clients speak PostgreSQL's protocol (version 3, chapter "Frontend/Backend Protocol" of its manual) to one PGlite, which is
 * one session: what one client sends up to a Sync is answered whole, and a transaction to its end, before another gets its turn.
 */
export async function servePglite(db: PGlite): Promise<{ url: string; stop(): Promise<void> }> {
  const sockets = new Set<Socket>()
  let turn: Promise<void> = Promise.resolve()
  const takeTurn = async (): Promise<() => void> => {
    const before = turn
    let end = () => {}
    turn = new Promise((resolve) => (end = resolve))
    await before
    return end
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    let endTurn: (() => void) | null = null
    let work: Promise<void> = Promise.resolve()
    const serve = async (messages: readonly Uint8Array[]) => {
      endTurn ??= await takeTurn()
      let status = 'I'
      for (const message of messages) {
        const answer = await db.execProtocolRaw(message)
        status = lastStatus(answer) ?? status
        if (!socket.destroyed) socket.write(answer)
      }
      if (status === 'I') {
        endTurn()
        endTurn = null
      }
    }
    const hangUp = async () => {
      sockets.delete(socket)
      if (!endTurn) return
      await db.exec('rollback').catch(() => undefined)
      endTurn()
      endTurn = null
    }
    const take = messageReader((messages) => (work = work.then(() => serve(messages)).catch(() => void socket.destroy())), () => socket.write('N'))
    socket.on('data', take)
    socket.on('error', () => undefined)
    socket.on('close', () => void (work = work.then(hangUp)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `postgresql://postgres@127.0.0.1:${(server.address() as AddressInfo).port}/postgres`,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Cuts what comes into messages, and gives those together that end with a Sync or a simple query. */
function messageReader(onUnit: (messages: readonly Uint8Array[]) => void, onSslRequest: () => void): (data: Buffer) => void {
  let rest = Buffer.alloc(0)
  let unit: Uint8Array[] = []
  let isStarted = false
  return (data) => {
    rest = Buffer.concat([rest, data])
    for (;;) {
      const head = isStarted ? 1 : 0
      if (rest.length < head + 4) return
      const size = head + rest.readInt32BE(head)
      if (rest.length < size) return
      const message = rest.subarray(0, size)
      rest = rest.subarray(size)
      if (!isStarted) {
        const code = message.readInt32BE(4)
        if (code === sslRequest) onSslRequest()
        else if (code !== cancelRequest && code === startup) {
          isStarted = true
          onUnit([message])
        }
        continue
      }
      const type = String.fromCharCode(message[0]!)
      if (type === 'X') return
      unit.push(message)
      if (type !== 'Q' && type !== 'S') continue
      onUnit(unit)
      unit = []
    }
  }
}

/** The state that the last ReadyForQuery tells: idle, in a transaction, in a failed one. */
function lastStatus(answer: Uint8Array): string | undefined {
  let status: string | undefined
  for (let at = 0; at + 5 <= answer.length; ) {
    const size = new DataView(answer.buffer, answer.byteOffset + at + 1, 4).getInt32(0)
    if (answer[at] === 0x5a) status = String.fromCharCode(answer[at + 5]!)
    at += 1 + size
  }
  return status
}
