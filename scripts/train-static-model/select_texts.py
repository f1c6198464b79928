"""Chooses the texts that the teacher embeds: passages, and titles and first sentences as short texts, shuffled.

usage: select.py --in passages.jsonl --out texts.jsonl
"""

import argparse
import json
import random
import re

import passages as P

LIBRARY_SHARE = 0.4
TITLE_SHARE = 0.35
SENTENCE_SHARE = 0.2


def main():
    options = argparse.ArgumentParser()
    options.add_argument('--in', dest='source', required=True)
    options.add_argument('--out', required=True)
    options = options.parse_args()
    rng = random.Random(1)
    texts = {}
    with open(options.source) as f:
        for line in f:
            row = json.loads(line)
            if row['split'] != 'train' or row['package'].startswith('lib') and rng.random() > LIBRARY_SHARE:
                continue
            texts.setdefault(row['text'])
            manual = re.search(r'\.[1-8]\w*\.gz$', row['file'])
            if P.is_title(row['title']) and rng.random() < (1 if manual else TITLE_SHARE):
                texts.setdefault(row['title'])
            sentence = re.match(r'.{30,200}?[.!?](?=\s+[A-Z])', row['text'])
            if sentence and rng.random() < SENTENCE_SHARE:
                texts.setdefault(sentence.group())
    texts = list(texts)
    rng.shuffle(texts)
    with open(options.out, 'w') as out:
        for text in texts:
            out.write(json.dumps({'text': text}, ensure_ascii=False) + '\n')
    print(f'{len(texts)} texts, {sum(len(t.split()) for t in texts)} words')


if __name__ == '__main__':
    main()
