# Python clients, pinned, in an environment of their own; cached between runs.
python_root="${XDG_CACHE_HOME:-$HOME/.cache}/windlass-ci/python"

install_python() {
  local wanted
  wanted="$(sha256sum .ci/requirements.txt | cut -d' ' -f1)"
  [ "$(cat "$python_root/installed" 2>/dev/null)" = "$wanted" ] && return
  rm -rf "$python_root"
  mkdir -p "$(dirname "$python_root")"
  if ! python3 -m venv "$python_root" 2>/dev/null; then
    (apt-get update && apt-get install -y python3-venv) >/dev/null && python3 -m venv "$python_root" || return 1
  fi
  "$python_root/bin/pip" install -q -r .ci/requirements.txt && echo "$wanted" >"$python_root/installed"
}

# Serves on a free port and prints the URL once it listens; further arguments are settings of the environment.
serve() {
  local log="$1"
  shift
  env "$@" node --import tsx src/cli/main.ts serve --bucket memory: --port 0 >"$log" 2>&1 &
  serve_pids+=("$!")
  for _ in $(seq 150); do
    served_url="$(grep -o 'http://[^ ]*' "$log" | head -1)"
    [ -n "$served_url" ] && return
    sleep 0.2
  done
  cat "$log"
  return 1
}

# Runs the Python suites against two servers: one open, one with keys. Adds to `passed` and `failed`.
python_suite() {
  local out keys='[{"id":"ADMIN","secret":"admin-secret-0123456789","role":"admin"}]'
  serve_pids=()
  serve "$results/open.log" WINDLASS_LOG_LEVEL=warn && export WINDLASS_TEST_URL="$served_url"
  serve "$results/keyed.log" WINDLASS_LOG_LEVEL=warn WINDLASS_KEYS="$keys" && export WINDLASS_TEST_KEYED_URL="$served_url"
  out="$("$python_root/bin/python" -m unittest discover -v -s test/python -p '*_test.py' 2>&1)"
  echo "$out"
  for pid in "${serve_pids[@]}"; do kill "$pid"; done
  local ran bad
  ran="$(sed -n 's/^Ran \([0-9]*\) test.*/\1/p' <<<"$out")"
  bad=0
  for count in $(grep -oE '(failures|errors)=[0-9]+' <<<"$out" | grep -oE '[0-9]+'); do bad=$((bad + count)); done
  if [ -z "$ran" ] || [ "$ran" -eq 0 ]; then failed=$((failed + 1)); else
    failed=$((failed + bad))
    passed=$((passed + ran - bad))
  fi
}
