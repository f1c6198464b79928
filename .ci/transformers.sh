# transformers.js, an optional peer of 474 MB: pinned, in a folder of its own, cached between runs, and linked into node_modules while the
# tests that need it run. Sourced by .ci/run.
transformers_root="${XDG_CACHE_HOME:-$HOME/.cache}/windlass-ci/transformers"
transformers_version=4.3.1

install_transformers() {
  if [ "$(cat "$transformers_root/installed" 2>/dev/null)" != "$transformers_version" ]; then
    rm -rf "$transformers_root"
    mkdir -p "$transformers_root"
    echo '{ "private": true }' >"$transformers_root/package.json"
    # Without CUDA: its libraries come from elsewhere than the registry.
    (cd "$transformers_root" && ONNXRUNTIME_NODE_INSTALL_CUDA=skip npm install --no-audit --no-fund "@huggingface/transformers@$transformers_version") && echo "$transformers_version" >"$transformers_root/installed" || return 1
  fi
  mkdir -p node_modules/@huggingface
  ln -sfn "$transformers_root/node_modules/@huggingface/transformers" node_modules/@huggingface/transformers
}

remove_transformers() {
  [ -L node_modules/@huggingface/transformers ] && rm node_modules/@huggingface/transformers
}
