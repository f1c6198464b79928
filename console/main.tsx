import { render } from 'preact'
import { Api } from './api.ts'
import { App } from './app.tsx'
import { applyTheme, currentTheme } from './theme.ts'

applyTheme(currentTheme())
render(<App api={new Api()} />, document.getElementById('app')!)
