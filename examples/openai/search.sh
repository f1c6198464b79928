#!/usr/bin/env sh
# The same commands with an embedding model behind OpenAI's API: sh openai/search.sh
# OPENAI_API_KEY for OpenAI; OPENAI_BASE_URL=http://127.0.0.1:11434/v1 and EMBEDDING_MODEL=openai:nomic-embed-text for Ollama.
set -eu
cd "$(dirname "$0")/.."
export EMBEDDING_MODEL="${EMBEDDING_MODEL:-openai:text-embedding-3-small}"
windlass="${WINDLASS:-npx windlass}"

$windlass doctor --only openai
$windlass index vectorizer/docs --collection handbook-openai
$windlass search "how heavy may the chain be" --collection handbook-openai -k 1
