export interface PageToken {
  readonly type: string
  readonly tag: string
  readonly content: string
}

export function pagePaths(): string[]
export function sitePath(page: string): string
export function anchorOf(heading: string, taken: Map<string, number>): string
export function readPage(page: string): { readonly tokens: readonly PageToken[]; readonly title: string; readonly anchors: ReadonlySet<string>; readonly links: readonly string[] }
export function resolveLink(page: string, link: string): { readonly kind: 'outside'; readonly target?: undefined; readonly anchor?: undefined } | { readonly kind: 'page' | 'picture' | 'file'; readonly target: string; readonly anchor: string | undefined }
export function brokenLinks(): string[]
export default function buildDocs(target?: string): Promise<void>
