export type Theme = 'system' | 'light' | 'dark'

const themeName = 'windlass-theme'

export function currentTheme(): Theme {
  const stored = localStorage.getItem(themeName)
  return stored === 'light' || stored === 'dark' ? stored : 'system'
}

/** Shows the console so, and remembers it in this browser. */
export function setTheme(theme: Theme): void {
  if (theme === 'system') localStorage.removeItem(themeName)
  else localStorage.setItem(themeName, theme)
  applyTheme(theme)
}

/** `system`: as the browser has it. */
export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}
