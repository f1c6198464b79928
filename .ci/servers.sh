# The S3 servers that the suites run against: installed once, started on loopback with fresh folders. Sourced by .ci/run.
servers_bin="${XDG_CACHE_HOME:-$HOME/.cache}/windlass-ci/bin"
servers_root="$(mktemp -d)"
declare -A server_pids=()

# Pinned: MinIO's last release (archived upstream), and a current versitygw.
minio_module=github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
go_toolchain=go1.25.4
versitygw_module=github.com/versity/versitygw/cmd/versitygw@v1.8.0

install_servers() {
  if ! command -v go >/dev/null; then
    # Debian's Go is older than these modules want; from 1.21 on it would fetch the toolchain that they name by itself.
    (apt-get update && apt-get install -y golang-go) >/dev/null 2>&1 || { echo "Go is needed to build the S3 servers: install it, or run as root where apt can"; return 1; }
  fi
  mkdir -p "$servers_bin"
  install_server versitygw "$versitygw_module" && install_server minio "$minio_module"
}

# Built aside and moved into place at the end, so that a build that was cut short leaves nothing that looks finished.
install_server() {
  local name="$1" module="$2" stamp="$servers_bin/$1.version" building
  [ -x "$servers_bin/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$module" ] && return 0
  building="$(mktemp -d)"
  GOBIN="$building" GOTOOLCHAIN=auto nice "$(newest_go)" install -trimpath -ldflags='-s -w' "$module" || { rm -rf "$building"; return 1; }
  mv "$building/$name" "$servers_bin/$name" && echo "$module" >"$stamp"
  rm -rf "$building"
}

# A Go before 1.21 (Debian 12 has 1.19) cannot fetch a newer toolchain by itself, but as the module that toolchains are published as.
# Modules carry neither modes nor files named go.mod inside, so both are restored, as newer Gos do.
newest_go() {
  local minor directory
  minor="$(go env GOVERSION | sed -E 's/^go1\.([0-9]+).*/\1/')"
  if [ "$minor" -ge 21 ]; then
    command -v go
    return
  fi
  directory="$(cd / && GOFLAGS=-modcacherw go mod download -json "golang.org/toolchain@v0.0.1-$go_toolchain.linux-$(go env GOARCH)" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')"
  chmod -R u+w "$directory"
  chmod +x "$directory"/bin/* "$directory"/pkg/tool/*/*
  find "$directory/src" -name _go.mod -execdir mv _go.mod go.mod \;
  echo "$directory/bin/go"
}

# Starts a server and exports where it is, for tests and for the programs that tests start.
start_server() {
  local name="$1" port data="$servers_root/$1"
  mkdir -p "$data/data" "$data/iam" "$data/versions"
  port="$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')"
  case "$name" in
    minio)
      MINIO_ROOT_USER=windlass-test MINIO_ROOT_PASSWORD=windlass-test-secret MINIO_BROWSER=off \
        "$servers_bin/minio" server "$data/data" --address "127.0.0.1:$port" >"$data/log" 2>&1 &
      ;;
    versitygw)
      ROOT_ACCESS_KEY=windlass-test ROOT_SECRET_KEY=windlass-test-secret \
        "$servers_bin/versitygw" -q -p "127.0.0.1:$port" --iam-dir "$data/iam" posix --versioning-dir "$data/versions" "$data/data" >"$data/log" 2>&1 &
      ;;
  esac
  server_pids[$name]=$!
  for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      export WINDLASS_TEST_S3_NAME="$name" WINDLASS_TEST_S3_ENDPOINT="http://127.0.0.1:$port"
      export WINDLASS_TEST_S3_ACCESS_KEY=windlass-test WINDLASS_TEST_S3_SECRET_KEY=windlass-test-secret
      export AWS_ENDPOINT_URL="$WINDLASS_TEST_S3_ENDPOINT" AWS_ACCESS_KEY_ID=windlass-test AWS_SECRET_ACCESS_KEY=windlass-test-secret AWS_REGION=us-east-1
      export WINDLASS_TEST_S3_BUCKET="s3://windlass-test"
      create_bucket windlass-test
      return
    fi
    kill -0 "${server_pids[$name]}" 2>/dev/null || break
    sleep 0.2
  done
  tail -20 "$data/log"
  return 1
}

# Tries until the server is ready to take it: it listens before it is.
create_bucket() {
  for _ in $(seq 50); do
    node --import tsx --input-type=module -e '
      import { S3Store } from "./src/store/s3-store.ts"
      const { AWS_ENDPOINT_URL: endpoint, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env
      await new S3Store({ bucket: process.argv[1], endpoint, accessKeyId, secretAccessKey }).createBucket()' "$1" 2>"$servers_root/create.log" && return 0
    sleep 0.2
  done
  cat "$servers_root/create.log"
  return 1
}

stop_server() {
  kill "${server_pids[$1]}" 2>/dev/null
  wait "${server_pids[$1]}" 2>/dev/null
  unset "server_pids[$1]" "${!WINDLASS_TEST_S3_@}" AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION
}

stop_servers() {
  for name in "${!server_pids[@]}"; do stop_server "$name"; done
  rm -rf "$servers_root"
}
