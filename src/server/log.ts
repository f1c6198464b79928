import { toIsoTime, type Clock } from '../base/clock.ts'

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** Facts of a log line. Never a secret, never what a document or a question says. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

/** Lines for people (`12:00:01 info listening port=8900`) or for programs (one JSON object each). */
export function createLog({ level, format, write, clock }: { level: LogLevel; format: 'text' | 'json'; write: (line: string) => void; clock: Clock }): Log {
  const line = (of: Exclude<LogLevel, 'silent'>) => (message: string, fields: LogFields = {}) => {
    if (logLevels.indexOf(of) < logLevels.indexOf(level)) return
    const time = toIsoTime(clock.now())
    if (format === 'json') return write(`${JSON.stringify({ time, level: of, message, ...fields })}\n`)
    const facts = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [` ${name}=${plain(value)}`]))
    write(`${time.slice(11, 19)} ${of.padEnd(5)} ${oneLine(message)}${facts.join('')}\n`)
  }
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
}

function plain(value: string | number | boolean): string {
  const text = String(value)
  return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text)
}

// A line break in a message must not look like a line of its own.
function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ')
}
