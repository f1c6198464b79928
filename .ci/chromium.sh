# Chromium without a screen, for the tests of the console. Sourced by .ci/run.

# Sets WINDLASS_TEST_CHROMIUM.
install_chromium() {
  local name
  for name in chromium-headless-shell chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
      WINDLASS_TEST_CHROMIUM="$(command -v "$name")"
      export WINDLASS_TEST_CHROMIUM
      return
    fi
  done
  (apt-get update && apt-get install -y --no-install-recommends chromium-headless-shell) >/dev/null || return 1
  WINDLASS_TEST_CHROMIUM="$(command -v chromium-headless-shell)" && export WINDLASS_TEST_CHROMIUM
}
