import { spawn } from 'node:child_process'
import { throwIfAborted, WindlassError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { sampleRate } from './pcm.ts'
import type { PcmFile } from './scratch-file.ts'
import { serveBytes, type ByteSource } from './serve-bytes.ts'
import { readWavLayout, type WavLayout } from './wav.ts'

export interface DecodeOptions {
  /** The program; default: `ffmpeg` on the path. */
  readonly ffmpeg?: string
  readonly random: Random
  readonly signal?: AbortSignal | undefined
}

const headBytes = 64 * 1024
const partBytes = 4 * 1024 * 1024
const complaintsMax = 4000
// What holds sound itself. Playlists are not among them: they would let a file name other files, and other machines.
const formats = ['wav', 'w64', 'mp3', 'flac', 'ogg', 'mov', 'matroska', 'aac', 'amr', 'aiff', 'asf', 'au', 'caf', 'ac3', 'avi', 'mpeg', 'mpegts', 'flv', 'wv', 'ape', 'opus']

/**
 * Decodes a recording into `pcm`: one channel at 16 kHz. A WAV file of that kind is read as it is; everything else goes through ffmpeg, which asks for the bytes
 * over a loopback port, as some formats have their index at the end. Memory does not grow with the length.
 * @throws {WindlassError} `invalid` for what is no sound, `missing-dependency` where ffmpeg is needed and not there, `storage-full`.
 */
export async function decodeSound(source: ByteSource, pcm: PcmFile, options: DecodeOptions): Promise<void> {
  const layout = readWavLayout(await source.read(0, Math.min(headBytes, source.sizeBytes), options.signal), source.sizeBytes)
  if (layout?.sampleRate === sampleRate && layout.bitsPerSample === 16 && layout.channels > 0) await copyWav(source, layout, pcm, options.signal)
  else await runFfmpeg(source, pcm, options)
  if (pcm.sampleCount === 0) throw new WindlassError('invalid', `${source.name} has no sound in it`, { path: 'body' })
}

async function copyWav(source: ByteSource, { channels, dataStart, dataEnd }: WavLayout, pcm: PcmFile, signal: AbortSignal | undefined): Promise<void> {
  const frameBytes = channels * 2
  const stepBytes = Math.floor(partBytes / frameBytes) * frameBytes
  for (let at = dataStart; at + frameBytes <= dataEnd; at += stepBytes) {
    throwIfAborted(signal)
    const bytes = await source.read(at, Math.min(dataEnd, at + stepBytes), signal)
    await pcm.append(channels === 1 ? bytes.subarray(0, bytes.length & ~1) : mixed(bytes, channels))
  }
}

function mixed(bytes: Uint8Array, channels: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const frames = Math.floor(bytes.length / 2 / channels)
  const out = new Uint8Array(frames * 2)
  const outView = new DataView(out.buffer)
  for (let f = 0; f < frames; f++) {
    let sum = 0
    for (let c = 0; c < channels; c++) sum += view.getInt16((f * channels + c) * 2, true)
    outView.setInt16(f * 2, Math.round(sum / channels), true)
  }
  return out
}

async function runFfmpeg(source: ByteSource, pcm: PcmFile, { ffmpeg = 'ffmpeg', random, signal }: DecodeOptions): Promise<void> {
  const door = await serveBytes(source, random)
  const whitelist = formats.join(',')
  const child = spawn(ffmpeg, ['-nostdin', '-hide_banner', '-loglevel', 'error', '-protocol_whitelist', 'http,tcp', '-format_whitelist', whitelist, '-i', door.url, '-map', '0:a:0', '-vn', '-sn', '-dn', '-ac', '1', '-ar', String(sampleRate), '-f', 's16le', 'pipe:1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // It reads from a loopback port: a proxy of the environment would be asked for that; and keys are none of its business.
    env: { PATH: process.env.PATH },
    ...(signal && { signal }),
  })
  let complaints = ''
  child.stderr.on('data', (part: Buffer) => (complaints = (complaints + part.toString()).slice(-complaintsMax)))
  const ended = new Promise<{ code: number | null; error: NodeJS.ErrnoException | null }>((resolve) => {
    child.once('error', (error) => resolve({ code: null, error }))
    child.once('close', (code) => resolve({ code, error: null }))
  })
  try {
    for await (const part of child.stdout) await pcm.append(part as Buffer)
    const { code, error } = await ended
    throwIfAborted(signal)
    if (door.failure() !== null) throw door.failure()
    if (error?.code === 'ENOENT') {
      throw new WindlassError('missing-dependency', `decoding ${source.name} needs ffmpeg, and ${ffmpeg} is not there: apt-get install ffmpeg, or brew install ffmpeg; WAV files of 16 bits at 16 kHz need none`, { package: 'ffmpeg' })
    }
    if (error) throw new WindlassError('unavailable', `${ffmpeg} could not be run: ${error.message}`, { cause: error })
    // Some sound, and then damage: what could be decoded counts.
    if (code !== 0 && pcm.sampleCount === 0) throw new WindlassError('invalid', `${source.name} cannot be decoded: ${lastLine(complaints, door.url)}`, { path: 'body' })
  } catch (error) {
    throw signal?.aborted ? new WindlassError('cancelled', 'cancelled by the caller', { cause: error }) : door.failure() ?? error
  } finally {
    child.kill('SIGKILL')
    await ended
    await door.close()
  }
}

function lastLine(complaints: string, url: string): string {
  const lines = complaints.replaceAll(url, 'the file').trim().split('\n')
  return lines.at(-1)?.trim() || 'ffmpeg does not say why'
}
