# Moto's services of AWS (S3 Vectors, SQS, SNS …), pinned, in an environment of their own; cached between runs. Sourced by .ci/run.
moto_root="${XDG_CACHE_HOME:-$HOME/.cache}/windlass-ci/moto"
moto_pid=

install_moto() {
  local wanted
  wanted="$(sha256sum .ci/moto-requirements.txt | cut -d' ' -f1)"
  [ "$(cat "$moto_root/installed" 2>/dev/null)" = "$wanted" ] && return
  rm -rf "$moto_root"
  mkdir -p "$(dirname "$moto_root")"
  if ! python3 -m venv "$moto_root" 2>/dev/null; then
    (apt-get update && apt-get install -y python3-venv) >/dev/null && python3 -m venv "$moto_root" || return 1
  fi
  "$moto_root/bin/pip" install -q -r .ci/moto-requirements.txt && echo "$wanted" >"$moto_root/installed"
}

# Starts it on a free port and exports WINDLASS_TEST_MOTO, its URL.
start_moto() {
  local port
  port="$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')"
  "$moto_root/bin/moto_server" -H 127.0.0.1 -p "$port" >"$results/moto.log" 2>&1 &
  moto_pid=$!
  for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      export WINDLASS_TEST_MOTO="http://127.0.0.1:$port"
      return
    fi
    kill -0 "$moto_pid" 2>/dev/null || break
    sleep 0.2
  done
  tail -20 "$results/moto.log"
  return 1
}

stop_moto() {
  [ -z "$moto_pid" ] && return
  kill "$moto_pid" 2>/dev/null
  wait "$moto_pid" 2>/dev/null
  moto_pid=
  unset WINDLASS_TEST_MOTO
}
