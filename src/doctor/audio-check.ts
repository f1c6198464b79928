import { spawn } from 'node:child_process'
import { audioSettings } from '../config/audio.ts'
import type { SettingName } from '../config/settings.ts'
import { ok, problem, warning, type Check, type DoctorContext } from './check.ts'

// As `audio/recording-bucket.ts` has them.
const recordingsPrefix = 'audio/recordings/'
const settings: readonly SettingName[] = ['audio-collection', 'audio-snippet', 'audio-transcriber', 'transcription-url', 'transcription-key', 'audio-voice-activity', 'audio-segmentation', 'audio-speaker-embedding']
const remedy = 'apt-get install ffmpeg   # or brew install ffmpeg; elsewhere on the disk: WINDLASS_FFMPEG=/path/to/ffmpeg'

/** Whether recordings can be decoded, and what their settings name is spelled right. Where nobody speaks of recordings, what is missing is told and is well. */
export const audioCheck: Check = {
  name: 'audio',
  applies: () => true,
  async run(context, signal) {
    const { configuration } = context
    // Refuses what is spelled wrong.
    const { ffmpeg } = audioSettings(configuration)
    const version = await versionOf(ffmpeg, signal)
    if ('text' in version) return [ok(`recordings are decoded by ${ffmpeg}: ${version.text}`)]
    const isNamed = configuration.origin('ffmpeg') !== 'default'
    const what = `${isNamed ? `${configuration.origin('ffmpeg')} is ${ffmpeg}, which` : ffmpeg} ${version.reason}`
    const why = 'recordings are decoded by it; only WAV files of 16 bits at 16 kHz need none'
    if (isNamed) return [problem(what, { why, mend: remedy })]
    const given = settings.find((name) => configuration.origin(name) !== 'default')
    if (given !== undefined) return [warning(`${what}, and ${configuration.origin(given)} is set`, { why, mend: remedy })]
    if (await hasRecordings(context)) return [warning(`${what}, and there are recordings in the bucket`, { why, mend: remedy })]
    return [ok(`${what}: nothing needs it but recordings`)]
  },
}

/** The first line of what it says of itself, or why it says nothing. */
function versionOf(program: string, signal: AbortSignal): Promise<{ text: string } | { reason: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, ['-version'], { stdio: ['ignore', 'pipe', 'ignore'], signal, env: { PATH: process.env.PATH } })
    let text = ''
    child.stdout.on('data', (part: Buffer) => (text += part.toString()))
    child.once('error', (error: NodeJS.ErrnoException) => resolve({ reason: error.code === 'ENOENT' ? 'is not there' : `cannot be run: ${error.message}` }))
    child.once('close', (code) => {
      const [first = ''] = text.split('\n')
      resolve(code === 0 && /^ffmpeg version/.test(first) ? { text: first.replace(/ Copyright.*/, '') } : { reason: code === 0 ? 'is something else than ffmpeg' : `ends with status ${code}` })
    })
  })
}

/** False also where the bucket does not say: that is another check's finding. */
async function hasRecordings({ probe }: DoctorContext): Promise<boolean> {
  if ((await probe.contact()).error) return false
  try {
    for await (const _ of (await probe.store()).list(recordingsPrefix)) return true
  } catch {
    // May not be listed.
  }
  return false
}
