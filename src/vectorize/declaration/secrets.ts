// Prefixes that issuers give their keys so that they can be found where they should not be: OpenAI and Anthropic, AWS, GitHub, Tigris,
// Slack, Google, Hugging Face; PEM blocks; and passwords in URLs.
const secretForms = [
  /^sk-[\w-]{8,}/,
  /^(?:AKIA|ASIA)[0-9A-Z]{12,}$/,
  /^(?:gh[pousr]_|github_pat_)\w{16,}/,
  /^t(?:id|sec)_[\w-]{16,}/,
  /^xox[abprs]-/,
  /^AIza[\w-]{30,}/,
  /^hf_\w{16,}/,
  /-----BEGIN [A-Z ]*PRIVATE KEY/,
  /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]*:[^/?#@\s]+@/i,
]

/** Whether `text` has the form of a key or a password: it is then never printed. */
export function looksLikeSecret(text: string): boolean {
  const trimmed = text.trim()
  // A secret key of AWS: 40 characters of base 64, which is no name of a variable and no word.
  const isBase64 = /^[A-Za-z0-9+/]{40}$/.test(trimmed) && /[a-z]/.test(trimmed) && /[A-Z]/.test(trimmed) && /[0-9]/.test(trimmed)
  return isBase64 || secretForms.some((form) => form.test(trimmed))
}
