// Language -> extensions and file names without one.
const names: Readonly<Record<string, string>> = {
  typescript: 'ts mts cts tsx',
  javascript: 'js mjs cjs jsx',
  python: 'py pyi',
  go: 'go',
  rust: 'rs',
  java: 'java',
  kotlin: 'kt kts',
  scala: 'scala sc',
  c: 'c h',
  'c++': 'cc cpp cxx hpp hh hxx ino',
  'c#': 'cs',
  'f#': 'fs fsx',
  'objective-c': 'm mm',
  swift: 'swift',
  ruby: 'rb rake gemfile rakefile',
  php: 'php',
  perl: 'pl pm',
  lua: 'lua',
  r: 'r',
  julia: 'jl',
  haskell: 'hs',
  ocaml: 'ml mli',
  elixir: 'ex exs',
  erlang: 'erl hrl',
  clojure: 'clj cljs cljc edn',
  lisp: 'el lisp scm',
  dart: 'dart',
  zig: 'zig',
  nim: 'nim',
  shell: 'sh bash zsh fish',
  powershell: 'ps1 psm1',
  batch: 'bat cmd',
  sql: 'sql',
  graphql: 'graphql gql',
  protobuf: 'proto',
  yaml: 'yaml yml',
  toml: 'toml',
  ini: 'ini cfg conf properties env',
  hcl: 'tf hcl',
  xml: 'xml xsd xsl svg',
  css: 'css scss sass less',
  vue: 'vue',
  svelte: 'svelte',
  dockerfile: 'dockerfile',
  makefile: 'makefile mk',
  cmake: 'cmake',
  assembly: 's asm',
  diff: 'diff patch',
}

const languageOfExtension = new Map(
  Object.entries(names).flatMap(([language, extensions]) =>
    extensions.split(' ').map((extension) => [extension, language] as const),
  ),
)

/** The language of an extension without its dot, or of a file name that has none (`Makefile`); lower case. */
export function languageOf(extension: string): string | undefined {
  return languageOfExtension.get(extension)
}
