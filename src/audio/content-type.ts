// The IANA media types of what recorders write; the rest is bytes, and the decoder looks for itself.
const types: Readonly<Record<string, string>> = { aac: 'audio/aac', aif: 'audio/aiff', aiff: 'audio/aiff', amr: 'audio/amr', flac: 'audio/flac', m4a: 'audio/mp4', mkv: 'video/matroska', mov: 'video/quicktime', mp3: 'audio/mpeg', mp4: 'video/mp4', oga: 'audio/ogg', ogg: 'audio/ogg', opus: 'audio/ogg', wav: 'audio/wav', webm: 'video/webm', wma: 'audio/x-ms-wma' }

/** The media type of a recording by its name. */
export function audioContentType(name: string): string {
  return types[/\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? ''] ?? 'application/octet-stream'
}
