"""Gathers titled passages from unpacked Debian packages into one JSON-lines file, without the evaluation's texts.

usage: gather.py --root UNPACKED --root /usr/share/man --shared SHARED --out passages.jsonl
Each row is {package, split, title, text}; split is 'train', or 'manual'/'section' for the two held-out tasks.
"""

import argparse
import gzip
import hashlib
import json
import multiprocessing
import os
import random
import re

import passages as P

FILES_PER_PACKAGE = 60
PASSAGES_PER_PACKAGE = 260
PASSAGES_PER_LIBRARY = 50  # interface reference reads alike everywhere
DICTIONARY_ENTRIES = 30_000
SHINGLE = 8  # words in a row shared with a package description that throw a passage out
_SKIP = re.compile(r'changelog|copyright|NEWS|licen[sc]e|genindex|py-modindex|_static|searchindex|AUTHORS|THANKS|INSTALL'
                   r'|README\.Debian|/(de|fr|es|it|ja|ru|pl|nl|pt|pt_BR|zh|zh_CN|zh_TW|ko|cs|da|sv)/', re.I)


def share(text):
    """A number in [0, 1) that depends on the text alone: decides what is held out."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], 'big') / 2**48


def words_of(text):
    return re.findall(r'[a-z0-9]+', text.lower())


def shingles(words):
    return (hash(tuple(words[i : i + SHINGLE])) for i in range(len(words) - SHINGLE + 1))


def read_package(job):
    package, paths = job
    rng = random.Random(package)
    rng.shuffle(paths)
    rows = []
    files = 0
    passages_max = PASSAGES_PER_LIBRARY if package.startswith('lib') else PASSAGES_PER_PACKAGE
    for path in paths:
        if len(rows) >= passages_max or files >= FILES_PER_PACKAGE:
            break
        name = os.path.basename(path)
        split = 'section' if share('section ' + package) < 0.03 else 'train'
        if '/man/man' in path:
            page = name.split('.')[0]
            split = 'manual' if share('manual ' + page) < 0.15 else 'train'
            title, texts = P.man_passages(P.read_text(path))
            found = [(title, t) for t in texts[:6]]
        elif '/dictd/' in path:
            entries = P.dict_passages(P.read_text(path, 100_000_000))
            rng.shuffle(entries)
            rows.extend({'package': package, 'split': 'train', 'title': h, 'text': f'{h}: {t}', 'file': name}
                        for h, t in entries[:DICTIONARY_ENTRIES])
            continue
        elif re.search(r'\.x?html?(\.gz)?$', name):
            found = P.html_passages(P.read_text(path))
        else:
            found = P.text_passages(P.read_text(path))
        if found:
            files += 1
        if len(found) > passages_max // 6:
            found = rng.sample(found, passages_max // 6)
        rows.extend({'package': package, 'split': split, 'title': h, 'text': t, 'file': name} for h, t in found)
    return rows


def list_packages(roots):
    """{package: [path, …]}; the machine's own manual pages count as packages of 30 pages."""
    packages = {}
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                if _SKIP.search(path[len(root):]) or os.path.islink(path):
                    continue
                if '/man/' in path and not re.search(r'/man/man[1-8]/', path):
                    continue
                if '/man/' not in path and '/dictd/' not in path and not re.search(
                        r'(\.x?html?|\.txt|\.md|\.rst|README\w*)(\.gz)?$|/fortunes/|/info/.*\.gz$|\.page$', path):
                    continue
                if name.startswith('gcloud_') and share(name) > 0.05:
                    continue
                relative = path[len(root):].strip('/').split('/')
                package = f'man-{int(share(name) * 100)}' if root.endswith('/man') else relative[0]
                packages.setdefault(package, []).append(path)
    return [(p, sorted(f)) for p, f in sorted(packages.items())]


def main():
    options = argparse.ArgumentParser()
    options.add_argument('--root', action='append', required=True)
    options.add_argument('--shared', required=True)
    options.add_argument('--out', required=True)
    options.add_argument('--workers', type=int, default=2)
    options = options.parse_args()

    banned, synopses = set(), set()
    with gzip.open(os.path.join(options.shared, 'data/packages.jsonl.gz'), 'rt') as f:
        for line in f:
            row = json.loads(line)
            banned.update(shingles(words_of(row['body'])))
            synopses.add(' '.join(words_of(row['synopsis'])))

    seen, kept, dropped = set(), 0, 0
    with multiprocessing.Pool(options.workers) as pool, open(options.out, 'w') as out:
        for rows in pool.imap_unordered(read_package, list_packages(options.root), chunksize=4):
            for row in rows:
                words = words_of(row['text'])
                title = ' '.join(words_of(row['title']))
                if title in synopses or any(s in banned for s in shingles(words)):
                    dropped += 1
                    continue
                key = ' '.join(words[:12])
                if key in seen:
                    continue
                seen.add(key)
                kept += 1
                out.write(json.dumps(row, ensure_ascii=False) + '\n')
    print(f'{kept} passages kept, {dropped} dropped as too like a package description')


if __name__ == '__main__':
    main()
