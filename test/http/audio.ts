// What the REST door does with recordings; rest.test.ts runs it, as it counts which operations were tried.
import { expect, test } from 'vitest'
import { encodeWav, readWavLayout } from '../../src/audio/wav.ts'
import { converse, voices } from '../audio/voices.ts'
import { startS3Double } from '../doubles/s3/double.ts'
import { startTranscription } from '../doubles/transcription.ts'
import { startTestServer } from './testing.ts'

const { samples } = converse([{ voice: voices.dana, seconds: 6, pause: 1 }, { voice: voices.omer, seconds: 5, pause: 1 }])
const wav = new Uint8Array(encodeWav(samples))

/** Registers the tests. */
export function describeAudio(): void {
  test('recordings: sent in two ways, worked on, shown, found, named, played in parts, deleted', async () => {
    const transcription = await startTranscription(({ seconds }) => ({ text: seconds > 5.5 ? 'The harbor is closed.' : 'הנמל סגור', language: seconds > 5.5 ? 'en' : 'he' }))
    const server = await startTestServer({ 'audio-transcriber': 'openai:double', 'transcription-url': transcription.url })
    const finished = async (id: string) => {
      for (;;) {
        const { json } = await server.call('GET', `/v1/audio/${id}`)
        if (json.recording.state === 'done' || json.recording.state === 'failed') return json
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    try {
      const raw = await server.call('POST', '/v1/audio?name=meeting.wav', { body: wav, headers: { 'content-type': 'application/octet-stream' } })
      expect(raw.status).toBe(201)
      expect(raw.json).toMatchObject({ name: 'meeting.wav', contentType: 'audio/wav', sizeBytes: wav.length, state: 'stored' })
      const form = new FormData()
      form.set('file', new Blob([wav], { type: 'text/html' }), 'פגישה.html')
      const sent = await server.call('POST', '/v1/audio?language=he', { body: form })
      expect(sent.json).toMatchObject({ name: 'פגישה.html', contentType: 'application/octet-stream', sizeBytes: wav.length, language: 'he' })
      const { id } = raw.json
      const done = await finished(id)
      expect(done.recording).toMatchObject({ state: 'done', speakers: [{ id: 'speaker-1' }, { id: 'speaker-2' }] })
      expect(done.segments).toHaveLength(2)
      expect(done.transcript.map(({ text }: { text: string }) => text)).toEqual(['The harbor is closed.', 'הנמל סגור'])
      await finished(sent.json.id)

      expect((await server.call('GET', '/v1/audio?limit=1')).json).toMatchObject({ recordings: [{ id }], next: id })
      expect((await server.call('GET', `/v1/audio?after=${id}`)).json.recordings).toMatchObject([{ id: sent.json.id }])
      const found = await server.call('POST', '/v1/audio/search', { json: { query: 'harbor closed', k: 1, filter: { recording: id } } })
      expect(found.json.passages).toMatchObject([{ recording: id, name: 'meeting.wav', speaker: 'speaker-1', text: 'The harbor is closed.', snippet: `/v1/audio/${id}/snippets/speaker-1` }])
      expect((await server.call('GET', `/v1/audio/search?q=${encodeURIComponent('הנמל')}&k=1`)).json.passages[0]).toMatchObject({ text: 'הנמל סגור', speaker: 'speaker-2' })
      expect((await server.call('PUT', `/v1/audio/${id}/speakers/speaker-2`, { json: { name: 'Omer' } })).json.speakers[1]).toMatchObject({ name: 'Omer' })
      expect((await server.call('PUT', `/v1/audio/${id}/speakers/speaker-9`, { json: { name: 'x' } })).status).toBe(404)

      const snippet = await fetch(`${server.url}/v1/audio/${id}/snippets/speaker-1`)
      const bytes = new Uint8Array(await snippet.arrayBuffer())
      expect([snippet.status, snippet.headers.get('content-type'), snippet.headers.get('accept-ranges')]).toEqual([200, 'audio/wav', 'bytes'])
      expect(readWavLayout(bytes, bytes.length)).toMatchObject({ sampleRate: 16_000, dataEnd: bytes.length })
      await server.call('GET', `/v1/audio/${id}/snippets/speaker-1`)
      const part = await fetch(`${server.url}/v1/audio/${id}/source`, { headers: { range: 'bytes=44-1043' } })
      expect([part.status, part.headers.get('content-range'), part.headers.get('content-length')]).toEqual([206, `bytes 44-1043/${wav.length}`, '1000'])
      expect(new Uint8Array(await part.arrayBuffer())).toEqual(wav.subarray(44, 1044))
      expect((await fetch(`${server.url}/v1/audio/${id}/source`, { headers: { range: `bytes=${wav.length}-` } })).status).toBe(416)
      // Somebody's page is not served as one.
      const page = await fetch(`${server.url}/v1/audio/${sent.json.id}/source`)
      expect([page.headers.get('content-type'), page.headers.get('x-content-type-options')]).toEqual(['application/octet-stream', 'nosniff'])
      expect((await page.arrayBuffer()).byteLength).toBe(wav.length)
      await server.call('GET', `/v1/audio/${id}/source`)

      expect((await server.call('POST', `/v1/audio/${id}/again`)).json).toMatchObject({ state: 'stored' })
      expect((await finished(id)).recording.state).toBe('done')
      for (const each of [id, sent.json.id]) expect((await server.call('DELETE', `/v1/audio/${each}`)).status).toBe(204)
      expect((await server.call('GET', `/v1/audio/${id}`)).status).toBe(404)
      expect((await server.call('GET', '/v1/audio')).json).toEqual({ recordings: [] })
    } finally {
      await server.stop()
      await transcription.close()
    }
  })

  test('recordings: what is refused', async () => {
    const server = await startTestServer({ 'upload-limit': '1000', keys: JSON.stringify([{ id: 'all', secret: 'a-secret-of-some-length', role: 'write' }, { id: 'docs', secret: 'another-secret-of-length', role: 'write', collections: ['docs'] }]) })
    const as = (secret: string) => ({ authorization: `Bearer ${secret}` })
    const all = as('a-secret-of-some-length')
    try {
      expect((await server.call('POST', '/v1/audio', { body: wav, headers: all })).status).toBe(413)
      expect((await server.call('POST', '/v1/audio', { headers: all })).status).toBe(400)
      expect((await server.call('POST', '/v1/audio?language=klingon', { body: 'x', headers: all })).status).toBe(400)
      expect((await server.call('POST', '/v1/audio', { body: 'no multipart', headers: { ...all, 'content-type': 'multipart/form-data; boundary=x' } })).status).toBe(400)
      const cut = '--x\r\ncontent-disposition: form-data; name="f"; filename="f.wav"\r\n\r\nRIFF'
      const broken = await server.call('POST', '/v1/audio', { body: cut, headers: { ...all, 'content-type': 'multipart/form-data; boundary=x' } })
      expect([broken.status, broken.json.error.message]).toEqual([400, expect.stringContaining('damaged')])
      expect((await server.call('POST', '/v1/audio/uploads', { json: { name: 'x.mp3', contentType: 'x'.repeat(201) }, headers: all })).status).toBe(400)
      expect((await server.call('GET', '/v1/audio', { headers: all })).json).toEqual({ recordings: [] })
      expect((await server.call('GET', '/v1/audio', { headers: as('another-secret-of-length') })).status).toBe(403)
      expect((await server.call('GET', '/v1/audio')).status).toBe(401)
      // A bucket in memory has no URLs for clients.
      expect((await server.call('POST', '/v1/audio/uploads', { json: { name: 'x.mp3' }, headers: all })).status).toBe(501)
      expect((await server.call('POST', '/v1/audio/uploads/01m7zvkhh9rw5qkg76zwr49gry', { headers: all })).status).toBe(404)
    } finally {
      await server.stop()
    }
  })

  test('recordings: sent by the client to the store itself', async () => {
    const store = await startS3Double({ bucket: 'meetings' })
    const server = await startTestServer({ bucket: 's3://meetings/here', endpoint: store.url, region: 'us-east-1', 'access-key-id': 'AKIATEST', 'secret-access-key': 'secret', 'path-style': 'true' })
    try {
      const begun = await server.call('POST', '/v1/audio/uploads', { json: { name: 'x.mp3' } })
      expect(begun.status).toBe(201)
      const { id, url, contentType } = begun.json
      expect(contentType).toBe('audio/mpeg')
      expect(new URL(url).pathname).toBe(`/meetings/here/audio/recordings/${id}/source`)
      expect((await server.call('POST', `/v1/audio/uploads/${id}`)).status).toBe(409)
      expect((await fetch(url, { method: 'PUT', body: 'no sound at all', headers: { 'content-type': contentType } })).status).toBe(200)
      expect((await server.call('POST', `/v1/audio/uploads/${id}`)).json).toMatchObject({ id, name: 'x.mp3', sizeBytes: 15, state: 'stored' })
    } finally {
      await server.stop()
      await store.close()
    }
  })
}
