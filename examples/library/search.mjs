// Files and vectors in a bucket, without a server: node library/search.mjs [bucket]
import { open } from 'windlass'

const bucket = await open(process.argv[2] ?? 'memory:') // 's3://bucket/prefix', 'file:./data'

const handbook = await bucket.getOrCreateCollection('handbook')
const text = new TextEncoder().encode('# Anchor\n\nThe windlass hauls the anchor. The chain may weigh 4 tonnes.')
await handbook.index({ source: 'anchor.md', open: async function* () { yield text } })
for (const passage of await handbook.search('how heavy may the chain be')) console.log(`${passage.source}: ${passage.text}`)

const colours = await bucket.getOrCreateCollection('colours', { dimension: 3, metric: 'euclidean' })
await colours.put([
  { key: 'red', vector: [1, 0, 0], metadata: { warm: true } },
  { key: 'blue', vector: [0, 0, 1], metadata: { warm: false } },
])
const { matches } = await colours.query({ vector: [0.6, 0, 0.5], k: 1, filter: { warm: true } })
console.log(`nearest warm colour: ${matches[0]?.key}`)

await bucket.close()
