#!/usr/bin/env bash
# Downloads the packages of packages.txt (Debian 12) and unpacks their documentation: fetch.sh FOLDER
set -euo pipefail
list="$(cd "$(dirname "$0")" && pwd)/packages.txt"
mkdir -p "$1/debs" "$1/root"
cd "$1/debs"
cut -d= -f1 "$list" | xargs -n 150 apt-get download # newer versions than those listed change the text, and so the model, a little
for deb in *.deb; do
  folder="../root/${deb%%_*}"
  mkdir -p "$folder"
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$folder" --no-same-owner --wildcards --exclude='*changelog*' \
    './usr/share/doc/*' './usr/share/man/man*' './usr/share/info/*' './usr/share/dictd/*' './usr/share/games/*' \
    './usr/share/help/C/*' './usr/share/gimp/*/en/*' './usr/games/man*' './usr/share/*.txt' 2>/dev/null || true
done
