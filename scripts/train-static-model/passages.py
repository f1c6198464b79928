"""Turns documentation files (manual pages, HTML, plain text, dictd dictionaries) into titled passages."""

import gzip
import html
import re

WORDS_MAX = 110
STOPWORDS = frozenset(
    'the a an of to in and is for that or it this be are with as by on from you can not if which will at have '
    'has was but its may all when one use used your any into other than then also more such only each there'.split()
)

_SPACE = re.compile(r'\s+')


def tidy(text):
    return _SPACE.sub(' ', text).strip()


def is_prose(text, words_min=6):
    """Whether `text` reads as English sentences: keeps tables, code, option lists and other languages out."""
    words = text.split()
    if len(words) < words_min:
        return False
    letters = sum(c.isalpha() or c == ' ' for c in text)
    if letters < 0.82 * len(text) or not text.isascii() and sum(ord(c) > 127 for c in text) > 0.05 * len(text):
        return False
    common = sum(w.lower() in STOPWORDS for w in words)
    return common >= (0.18 * len(words) if len(words) > 11 else 1)


def is_title(text):
    words = text.split()
    if not 2 <= len(words) <= 16 or len(text) > 120:
        return False
    letters = sum(c.isalpha() or c == ' ' for c in text)
    return letters >= 0.85 * len(text) and text.isascii()


def cut(text, words_max=WORDS_MAX):
    words = text.split()
    return text if len(words) <= words_max else ' '.join(words[:words_max])


def join(paragraphs, words_max=WORDS_MAX):
    """Groups consecutive paragraphs into passages of at most `words_max` words."""
    out, now, count = [], [], 0
    for paragraph in paragraphs:
        n = len(paragraph.split())
        if now and count + n > words_max:
            out.append(' '.join(now))
            now, count = [], 0
        now.append(paragraph)
        count += n
    if now:
        out.append(' '.join(now))
    return [cut(p, words_max) for p in out]


def read_text(path, bytes_max=300_000):
    opener = gzip.open if path.endswith(('.gz', '.dz')) else open
    try:
        with opener(path, 'rb') as f:
            return f.read(bytes_max).decode('utf-8', 'replace')
    except (OSError, EOFError, gzip.zlib.error):
        return ''


# --- manual pages ------------------------------------------------------------------------------------------------

_ESCAPES = [
    (re.compile(r'\\f(\[\w*\]|\(\w\w|.)'), ''),
    (re.compile(r'\\s[-+]?\d+'), ''),
    (re.compile(r'\\\*\(..|\\\*\[[^\]]*\]|\\\*.'), ''),
    (re.compile(r'\\\((?:em|en|hy)'), '-'),
    (re.compile(r'\\\((?:lq|rq|dq)'), '"'),
    (re.compile(r'\\\((?:aq|cq|oq|ga|ha)'), "'"),
    (re.compile(r'\\\(bu'), ''),
    (re.compile(r'\\\(..'), ' '),
    (re.compile(r'\\\[[^\]]*\]'), ' '),
    (re.compile(r'\\[&|^:%/,!)]|\\c$'), ''),
    (re.compile(r'\\[ ~0]'), ' '),
    (re.compile(r'\\-'), '-'),
    (re.compile(r'\\e|\\\\'), r'\\'),
]
_BREAKS = {'.PP', '.P', '.LP', '.TP', '.IP', '.sp', '.Pp', '.It', '.HP', '.br', '.RS', '.RE', '.El', '.Bl'}
_FONTS = {'.B', '.I', '.BR', '.BI', '.IR', '.IB', '.RB', '.RI', '.SM', '.Nm', '.Nd', '.Ar', '.Fl', '.Pa', '.Xr',
          '.Em', '.Sy', '.Dq', '.Sq', '.Ic', '.Cm', '.Li', '.Va', '.Dv', '.Ev', '.Fn', '.Ql', '.Qq', '.An', '.No'}


def unescape_roff(line):
    for pattern, to in _ESCAPES:
        line = pattern.sub(to, line)
    return line


def parse_man(text):
    """Sections of a manual page in order: [(heading, [paragraph, …])]. Displays and tables are left out."""
    sections, heading, paragraphs, now = [], '', [], []
    skip = None

    def end_paragraph():
        if now:
            paragraph = tidy(' '.join(now))
            if paragraph:
                paragraphs.append(paragraph)
            now.clear()

    for line in text.split('\n'):
        if skip:
            if line.startswith(skip):
                skip = None
            continue
        if line.startswith(('."', ".'\"", '.\\"', "'\\\"")):
            continue
        if line.startswith(('.', "'")):
            macro, _, rest = line.partition(' ')
            if macro in ('.SH', '.Sh', '.SS', '.Ss'):
                end_paragraph()
                sections.append((heading, list(paragraphs)))
                paragraphs.clear()
                heading = tidy(unescape_roff(rest.replace('"', '')))
            elif macro in ('.nf', '.EX', '.TS', '.Bd', '.Vb', '.de', '.ig'):
                end_paragraph()
                skip = {'.nf': '.fi', '.EX': '.EE', '.TS': '.TE', '.Bd': '.Ed', '.Vb': '.Ve', '.de': '..',
                        '.ig': '..'}[macro]
            elif macro in _BREAKS:
                end_paragraph()
            elif macro in _FONTS:
                if macro == '.Nd':
                    now.append('-')
                now.append(unescape_roff(rest.replace('"', '')))
            continue
        if not line.strip():
            end_paragraph()
        elif 'charset' not in line:
            now.append(unescape_roff(line))
    end_paragraph()
    sections.append((heading, list(paragraphs)))
    return sections


def man_passages(text):
    """[(title, passage)] of one page: the NAME line with each prose passage, DESCRIPTION's first one in front."""
    sections = parse_man(text)
    name = next((' '.join(p) for h, p in sections if h.upper() == 'NAME'), '')
    match = re.match(r'(.{1,80}?)\s+-{1,2}\s+(.*)', name)
    title = tidy(match.group(2)).rstrip('.') if match else ''
    rows, described = [], []
    for heading, paragraphs in sections:
        upper = heading.upper()
        if upper in ('NAME', 'SYNOPSIS', '', 'AUTHOR', 'AUTHORS', 'COPYRIGHT', 'SEE ALSO', 'BUGS', 'REPORTING BUGS',
                     'LICENSE', 'HISTORY', 'GCLOUD WIDE FLAGS'):
            continue
        passages = [p for p in join([p for p in paragraphs if is_prose(p)])]
        (described if upper.startswith('DESCRIPTION') else rows).extend(passages)
    return title, described + rows


# --- HTML --------------------------------------------------------------------------------------------------------

_DROP = re.compile(r'<(script|style|nav|pre|table|header|footer|form|select|head)\b.*?</\1\s*>|<!--.*?-->', re.S | re.I)
_TITLE = re.compile(r'<title[^>]*>(.*?)</title', re.S | re.I)
_BLOCK = re.compile(r'<(h[1-5]|p|li|dd|blockquote)\b[^>]*>(.*?)(?=<(?:h[1-5]|p|li|dd|dt|ul|ol|dl|div|blockquote|/div'
                    r'|/li|/p|/dd|/h[1-5]|/body)\b)', re.S | re.I)
_TAG = re.compile(r'<[^>]*>')


def html_passages(text):
    """[(title, passage)]: every heading, after the page's own, with the prose that follows it."""
    match = _TITLE.search(text)
    page = clean_heading(html.unescape(_TAG.sub(' ', match.group(1)))) if match else ''
    rows, heading, paragraphs = [], page, []

    def end_section():
        for passage in join(paragraphs):
            rows.append((heading, passage))
        paragraphs.clear()

    for match in _BLOCK.finditer(_DROP.sub(' ', text)):
        body = tidy(html.unescape(_TAG.sub(' ', match.group(2))))
        if match.group(1)[0] in 'hH' and len(match.group(1)) == 2:
            end_section()
            heading = clean_heading(body)
            if len(heading.split()) < 3 and page and heading.lower() not in page.lower():
                heading = tidy(f'{page} {heading}')
        elif is_prose(body):
            paragraphs.append(body)
    end_section()
    return rows


def clean_heading(text):
    text = re.sub(r'[¶§◆#\u200b]|\s[—|–»:]\s.*$|\s-\s.*$|documentation$', ' ', text)
    text = re.sub(r'^\s*([Cc]hapter|[Aa]ppendix|[Ss]ection)?\s*(\d+|[A-Z](?=[.\d]))(\.\d+)*\.?\s+(?=[A-Z])', '', text)
    return tidy(text.removeprefix('File:'))


# --- plain text and dictionaries -----------------------------------------------------------------------------------


def text_passages(text):
    """[(title, passage)] of plain text: paragraphs by blank lines; a short line before a paragraph titles it."""
    rows, heading = [], ''
    for block in re.split(r'\n\s*\n', text.replace('\r', '')):
        lines = [line for line in block.split('\n') if not re.fullmatch(r'\W*', line)]
        if not lines:
            continue
        first = tidy(lines[0].strip('#=*- '))
        if len(lines) == 1 and is_title(first):
            heading = clean_heading(first)
            continue
        body = tidy(' '.join(lines))
        if is_prose(body, 8):
            rows.extend((heading, p) for p in join([body]))
    return rows


def dict_passages(text):
    """[(headword, definition)] of a dictd database's text: entries start in the first column."""
    rows = []
    for entry in re.split(r'\n(?=\S)', text):
        head, _, body = entry.partition('\n')
        body = tidy(re.sub(r'[{}]|\[1913 Webster\]|\[PJC\]|\(\d{4}-\d\d-\d\d\)|\[[^\]]{1,30}\]', ' ', body))
        head = tidy(re.sub(r'\\.*?\\.*', '', head))
        if head and len(head) < 60 and len(body.split()) > 4 and head.isascii():
            rows.append((head, cut(body)))
    return rows
