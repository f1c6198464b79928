// Makes a site of the pages in docs/ in dist/docs: what `windlass serve` gives out at /docs. The index docs/README.md is its navigation.
// `npm run build` calls it; with --check nothing is written, and links that lead nowhere are listed.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import MarkdownIt from 'markdown-it'
import { writeAssets } from './write-assets.mjs'

const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..')
const beside = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md']

/** Paths of all pages, from the root of the repository. */
export function pagePaths() {
  const docs = readdirSync(join(root, 'docs'), { recursive: true }).map((path) => `docs/${path}`.replaceAll('\\', '/'))
  return [...beside, ...docs.filter((path) => path.endsWith('.md'))].sort()
}

/** Where a page lies in the site. */
export function sitePath(page) {
  if (beside.includes(page)) return page.toLowerCase().replace(/\.md$/, '.html')
  return page.replace(/^docs\//, '').replace(/README\.md$/, 'index.html').replace(/\.md$/, '.html')
}

/** The anchor of a heading, as GitHub makes it. */
export function anchorOf(heading, taken) {
  const base = heading.toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '').replaceAll(' ', '-')
  const count = taken.get(base) ?? 0
  taken.set(base, count + 1)
  return count === 0 ? base : `${base}-${count}`
}

/**
 * A page as tokens: its title, its anchors, the links of it as they are written.
 * @returns {{ markdown: MarkdownIt, tokens: object[], title: string, anchors: Set<string>, links: string[] }}
 */
export function readPage(page) {
  const markdown = new MarkdownIt({ html: false, linkify: false })
  const tokens = markdown.parse(readFileSync(join(root, page), 'utf8'), {})
  const taken = new Map()
  const links = []
  let title = page
  tokens.forEach((token, i) => {
    if (token.type === 'heading_open') {
      const text = tokens[i + 1].children.map(({ content }) => content).join('')
      if (token.tag === 'h1' && title === page) title = text
      token.attrSet('id', anchorOf(text, taken))
    }
    for (const child of token.children ?? []) {
      const link = child.attrGet?.('href') ?? child.attrGet?.('src')
      if (link) links.push(link)
    }
  })
  return { markdown, tokens, title, anchors: new Set(tokens.flatMap((token) => token.attrGet('id') ?? [])), links }
}

/** What a link of `page` means: a page, a picture, another file of the repository, the outside; with its anchor. */
export function resolveLink(page, link) {
  if (/^[a-z]+:/i.test(link)) return { kind: 'outside' }
  const [path, anchor] = link.split('#')
  let target = path === '' ? page : posix.normalize(posix.join(posix.dirname(page), decodeURI(path)))
  if (existsSync(join(root, target)) && statSync(join(root, target)).isDirectory() && existsSync(join(root, target, 'README.md'))) target = posix.join(target, 'README.md')
  const kind = pagePaths().includes(target) ? 'page' : /^docs\/.*\.(png|svg)$/.test(target) ? 'picture' : 'file'
  return { kind, target, anchor }
}

/** Links that lead nowhere, a line each. */
export function brokenLinks() {
  const pages = new Map(pagePaths().map((page) => [page, readPage(page)]))
  return [...pages].flatMap(([page, { links }]) =>
    links.flatMap((link) => {
      const { kind, target, anchor } = resolveLink(page, link)
      if (kind === 'outside') return []
      if (!existsSync(join(root, target))) return [`${page}: ${link} leads to no file`]
      return kind === 'page' && anchor && !pages.get(target).anchors.has(anchor) ? [`${page}: ${link} leads to no heading`] : []
    }),
  )
}

function relative(from, to) {
  return posix.relative(posix.dirname(from), to) || posix.basename(to)
}

/** Links to pages become links of the site; a file of the repository is no page of it, and stays text. */
function rewriteLinks(page, tokens) {
  for (const token of tokens) {
    const open = []
    for (const child of token.children ?? []) {
      const name = child.type === 'image' ? 'src' : 'href'
      if (child.type === 'link_close') {
        child.tag = open.pop() ? 'span' : 'a'
        continue
      }
      const link = child.attrGet?.(name)
      if (!link) continue
      const { kind, target, anchor } = resolveLink(page, link)
      if (kind === 'page') child.attrSet(name, relative(sitePath(page), sitePath(target)) + (anchor ? `#${anchor}` : ''))
      else if (kind === 'picture') child.attrSet(name, relative(sitePath(page), target.replace(/^docs\//, '')))
      else if (kind === 'file') {
        child.tag = 'span'
        child.attrs = null
      }
      if (child.type === 'link_open') open.push(kind === 'file')
    }
  }
  // A wide table scrolls by itself, not the page.
  return tokens.flatMap((token) => (token.type === 'table_open' ? [block('<div class="wide">'), token] : token.type === 'table_close' ? [token, block('</div>')] : [token]))
}

function block(content) {
  return { type: 'html_block', content, attrGet: () => null }
}

function navigation(page) {
  const { tokens, markdown } = readPage('docs/README.md')
  const start = tokens.findIndex(({ type, tag }) => type === 'heading_open' && tag === 'h2')
  const shown = rewriteLinks('docs/README.md', tokens.slice(start)).filter(({ type }) => !type.startsWith('paragraph'))
  for (const token of shown) {
    // Of each line the name of the page only.
    if (token.type === 'inline' && token.children.some(({ type }) => type === 'link_open')) token.children = token.children.slice(0, token.children.findIndex(({ type }) => type === 'link_close') + 1)
    for (const child of token.children ?? []) {
      const link = child.attrGet?.('href')
      if (!link) continue
      if (link === sitePath(page)) child.attrSet('aria-current', 'page')
      child.attrSet('href', relative(sitePath(page), link))
    }
    if (token.type === 'heading_open') token.attrs = null
  }
  return markdown.renderer.render(shown, markdown.options, {})
}

function render(page) {
  const { markdown, tokens, title } = readPage(page)
  const escape = markdown.utils.escapeHtml
  const main = markdown.renderer.render(rewriteLinks(page, tokens), markdown.options, {})
  const to = (target) => relative(sitePath(page), target)
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${escape(title)} · Windlass</title>
<link rel="stylesheet" href="${to('site.css')}">
<a class="skip" href="#page">To the page</a>
<header><a href="${to('index.html')}">Windlass documentation</a></header>
<nav aria-label="Pages">${navigation(page)}</nav>
<main id="page">${main}</main>
</html>
`
}

/** @param target Replaced as a whole, in one step. */
export default async function buildDocs(target = join(root, 'dist/docs')) {
  await writeAssets(target, (stage) => {
    const put = (path, write) => {
      mkdirSync(dirname(join(stage, path)), { recursive: true })
      write(join(stage, path))
      return path
    }
    const pages = pagePaths().map((page) => put(sitePath(page), (path) => writeFileSync(path, render(page))))
    const pictures = readdirSync(join(root, 'docs'), { recursive: true }).filter((path) => /\.(png|svg)$/.test(path))
    return [...pages, ...pictures.map((path) => put(path, (to) => copyFileSync(join(root, 'docs', path), to))), put('site.css', (to) => copyFileSync(join(root, 'docs/site/site.css'), to))]
  })
}

if (process.argv[1]?.endsWith('build-docs.mjs')) {
  const broken = brokenLinks()
  for (const line of broken) console.error(line)
  if (broken.length > 0) process.exitCode = 1
  else if (!process.argv.includes('--check')) await buildDocs()
}
