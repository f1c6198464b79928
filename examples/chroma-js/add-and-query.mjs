// Chroma's own client at our server: node chroma-js/add-and-query.mjs
import { ChromaClient } from 'chromadb'

const { hostname, port } = new URL(process.env.WINDLASS_URL ?? 'http://127.0.0.1:8900')
const client = new ChromaClient({ host: hostname, port: Number(port), ssl: false })

// The vectors are ours here; with an embedding function the client makes them.
const colours = await client.getOrCreateCollection({ name: 'example-js', embeddingFunction: null })
await colours.upsert({ ids: ['red', 'blue'], embeddings: [[1, 0, 0], [0, 0, 1]], metadatas: [{ warm: true }, { warm: false }], documents: ['like fire', 'like the sea'] })
const found = await colours.query({ queryEmbeddings: [[0.6, 0, 0.5]], nResults: 1, where: { warm: true } })
console.log(`nearest warm colour: ${found.ids[0][0]}, ${found.documents[0][0]}`)
