import { describe, expect, test } from 'vitest'
import { pathFilter, problemOfPattern } from './path-filter.ts'

const taken = (paths: readonly string[], patterns: Parameters<typeof pathFilter>[0]) => paths.filter(pathFilter(patterns).takes)

describe('pathFilter', () => {
  const paths = ['a.md', 'b.txt', 'drafts/c.md', 'x/drafts/d.md', 'x/e.png', '.github/f.md']

  test.each([
    ['nothing: all but what is plainly no text', {}, ['a.md', 'b.txt', 'drafts/c.md', 'x/drafts/d.md', '.github/f.md']],
    ['a name in any folder', { include: ['*.md'] }, ['a.md', 'drafts/c.md', 'x/drafts/d.md', '.github/f.md']],
    ['only what is included, pictures too', { include: ['**/*.png'] }, ['x/e.png']],
    ['a folder of any depth', { exclude: ['drafts'] }, ['a.md', 'b.txt', '.github/f.md']],
    ['a folder of any depth, with its slash', { exclude: ['drafts/'] }, ['a.md', 'b.txt', '.github/f.md']],
    ['a folder at the root', { exclude: ['/drafts'] }, ['a.md', 'b.txt', 'x/drafts/d.md', '.github/f.md']],
    ['a folder by its path', { include: ['./x/drafts/'] }, ['x/drafts/d.md']],
    ['exclude wins', { include: ['*.md'], exclude: ['x/**', '.github'] }, ['a.md', 'drafts/c.md']],
    ['an empty include takes nothing', { include: [] }, []],
    ['an empty exclude leaves all', { exclude: [] }, ['a.md', 'b.txt', 'drafts/c.md', 'x/drafts/d.md', '.github/f.md']],
  ])('%s', (_, patterns, expected) => {
    expect(taken(paths, patterns)).toEqual(expected)
  })

  test('folders that are excluded need not be walked, those above them must', () => {
    const { skipsFolder } = pathFilter({ exclude: ['drafts/**', 'old', '**/*.md'] })
    expect(['drafts', 'x/drafts', 'drafts/a', 'x/old', 'x'].filter(skipsFolder)).toEqual(['drafts', 'drafts/a', 'x/old'])
  })

  test('letters of other scripts and signs are letters like others', () => {
    expect(taken(['grün/ä b+c#%.md', 'gru\u0308n/x.md'], { include: ['grün/*.md'] })).toEqual(['grün/ä b+c#%.md'])
  })
})

test('patterns that would silently match nothing are told', () => {
  expect(['**/*.md', 'a/{b,c}.md', 'a\\[b\\]', '[ab]*', '/x'].map(problemOfPattern)).toEqual([null, null, null, null, null])
  for (const pattern of ['!a', '[a', '{a', 'a)', 'docs\\windows', '../x', 'a/../b']) expect(problemOfPattern(pattern), pattern).not.toBeNull()
})
