// Asks: how fast are events followed, and how far behind is the index? The embedding is the built-in model, in this process.
//
// npx tsx bench/events/main.ts [count]
import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { followMany } from './follow-many.ts'

process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
const count = Number(process.argv[2] ?? 10_000)
const result = await followMany(count)
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' }).trim()
console.log(`${cpus().length} × ${cpus()[0]!.model}, Node ${process.version}, commit ${commit}`)
console.log(JSON.stringify({ ...result, peakMemoryMb: Math.round(process.resourceUsage().maxRSS / 1024) }, null, 2))
