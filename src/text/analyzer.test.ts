import { describe, expect, test } from 'vitest'
import { analyzerIdOf, createAnalyzer, createAnalyzerById, languages } from './analyzer.ts'

const english = createAnalyzer({ language: 'english' })

describe('english', () => {
  test.each([
    ['Running runners ran', 'run runner ran'],
    ['connect connection connections', 'connect connect connect'],
    ['Installing the packages for a test', 'instal packag test'],
    ['C++ and C# on x86_64', 'c++ c# x86_64 x86 64'],
    ['libstdc++6 g++-12', 'libstdc libstdc++ 6 g++ 12'],
    ['item# a#b', 'item item# b'],
    ['node.js 3.14 v1.2.3', 'node.js node js 3.14 14 v1.2.3 v1'],
    ['foo_bar __init__ foo::bar', 'foo_bar foo bar init foo bar'],
    ['OpenSAML parseHttpRequest iPhone', 'opensaml open saml parsehttprequest pars http request iphon phone'],
    ['U.S.A. e.g. end.', 'usa eg end'],
    ["user\u2019s don't we'll o'reilly 'quoted'", 'user don we reilli quot'],
    ["l'eau qu'il", 'eau il'],
    ['naïve café cafe\u0301', 'naiv cafe cafe'],
    ['ﬁle Ｆｉｌｅ so\u00adft', 'file file soft'],
    ['东京都 猫', '东 东京 京 京都 都 猫'],
    ['カーテン 한국어 ภาษา カ', 'カー ーテ テン 한국 국어 ภา าษ ษา カ'],
    ['𠮷野家 🎉 𝔘nicode \ud842', '𠮷 𠮷野 野 野家 家 unicod'],
    ['שָׁלוֹם שלום', 'שלום שלום'],
    ['The', ''],
    ['', ''],
  ])('%s', (text, terms) => {
    expect(english.terms(text).join(' ')).toBe(terms)
  })
})

// What an index holds: when a line here changes, the version in an analyzer's id must change with it.
test.each([
  ['none', 'The running Café naïve straße ёлка 3.14', 'the running cafe naive strasse елка 3.14 14'],
  ['arabic', 'الكتابُ والمكتبات', 'كتاب والمكتبا'],
  ['danish', 'Kærlighed på bøgerne, kaffen', 'kær på bøg kaf'],
  ['dutch', 'De huizen en mogelijkheden', 'de huiz en mogelijk'],
  ['english', 'Connections between packages, generally used', 'connect between packag gener us'],
  ['finnish', 'Taloissa kirjojen läheisyys', 'talo kirj läheisyys'],
  ['french', "L'amélioration des chevaux qu'il préférait", 'amelior de cheval il prefer'],
  ['german', 'Die Häuser der größten Straßen', 'die haus der grosst strass'],
  ['hungarian', 'A házakban könyvekkel', 'a ház könyv'],
  ['italian', "dell'università abbandonata", 'dell univers abbandon'],
  ['norwegian', 'Husene på øyene', 'hus på øyen'],
  ['portuguese', 'As informações não chegarão', 'as inform na cheg'],
  ['romanian', 'Cărțile și orașele', 'cart si oras'],
  ['russian', 'Ещё самолёты летают', 'ещ самолет лета'],
  ['spanish', 'Las canciones del corazón añejo', 'las cancion del corazon anej'],
  ['swedish', 'Flickorna på ängarna', 'flick på äng'],
  ['turkish', "İstanbul'da IŞIK kitaplarımız", 'istanbul da ışık kitap'],
])('%s stays as it is', (language, text, terms) => {
  expect(createAnalyzer({ language }).terms(text).join(' ')).toBe(terms)
})

test('every language is pinned above', () => {
  expect(languages).toHaveLength(17)
})

test('spans point at the words they came from', () => {
  const text = 'Quick ﬁ-xers, e\u0301té, 东京!'
  expect(english.spans(text).map(({ term, start, end }) => `${term}=${text.slice(start, end)}`)).toEqual([
    'quick=Quick',
    'fi=ﬁ',
    'xer=xers',
    'et=e\u0301té',
    '东=东',
    '东京=东京',
    '京=京',
  ])
})

test('a word has the same terms after many others', () => {
  const before = english.terms('Connections OpenSAML')
  for (let i = 0; i < 100_000; i++) english.terms(`word${i}`)
  expect(english.terms('Connections OpenSAML')).toEqual(before)
})

test('a term is cut at 64 units, never inside a character', () => {
  expect(english.terms('x'.repeat(100_000))).toEqual(['x'.repeat(64)])
  expect(english.terms(`x${'\u{10428}'.repeat(100)}`)).toEqual([`x${'\u{10428}'.repeat(31)}`])
})

test('an id of another version or language is refused by name', () => {
  expect(createAnalyzerById(analyzerIdOf('french')).id).toBe('french-1')
  expect(createAnalyzerById('french-1')).toBe(createAnalyzer({ language: 'french' }))
  expect(() => createAnalyzerById('english-2')).toThrow(/english-2.*upgrade/)
  expect(() => createAnalyzerById('klingon-1')).toThrow(/klingon-1/)
  expect(() => analyzerIdOf('klingon')).toThrow(/klingon.*english/)
})
