const skippedFiles =
  /\.(png|jpe?g|gif|webp|ico|bmp|svg|woff2?|ttf|otf|eot|mp[34]|wav|ogg|avi|mov|zip|gz|tgz|xz|bz2|7z|tar|jar|exe|dll|so|dylib|wasm|bin|map|class|o|a|pyc|sqlite|db|f16|lock)$/i

/** Whether a name says that nobody wrote the file to be read, and that no parser of ours can. */
export function isPlainlyNotText(path: string): boolean {
  return skippedFiles.test(path)
}
