# LanceDB's client, whose tables `windlass copy` reads. 230 MB, so no dependency of ours; installed once, aside. Sourced by .ci/run.
lancedb_root="${XDG_CACHE_HOME:-$HOME/.cache}/windlass-ci/lancedb"
lancedb_version=0.39.0

install_lancedb() {
  [ "$(cat "$lancedb_root/version" 2>/dev/null)" = "$lancedb_version" ] && return 0
  rm -rf "$lancedb_root"
  mkdir -p "$lancedb_root"
  echo '{ "private": true }' >"$lancedb_root/package.json"
  # It says that it wants Node 22; what we use of it runs on 20.
  npm install --prefix "$lancedb_root" --engine-strict=false --no-audit --no-fund --save-exact "@lancedb/lancedb@$lancedb_version" >/dev/null 2>&1 || return 1
  echo "$lancedb_version" >"$lancedb_root/version"
}
