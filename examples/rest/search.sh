#!/usr/bin/env sh
# A file in, a passage out: sh rest/search.sh
set -eu
url="${WINDLASS_URL:-http://127.0.0.1:8900}"

curl -sf -X POST "$url/v1/collections" -H 'content-type: application/json' -d '{"name": "handbook-rest"}' || true
printf '# Anchor\n\nThe windlass hauls the anchor. The chain may weigh 4 tonnes.\n' | curl -sf -F 'file=@-;filename=anchor.md' "$url/v1/collections/handbook-rest/documents"
echo
curl -sf -G "$url/v1/collections/handbook-rest/search" --data-urlencode 'q=how heavy may the chain be' -d k=1
echo
