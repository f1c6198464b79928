"""Writes the held-out tasks for bench/retrieval as NAME.json, and the teacher's vectors of each task as NAME.f16.

usage: tasks.py --model TEACHER --passages passages.jsonl --shared SHARED --out FOLDER
"""

import argparse
import json
import os

import numpy as np

from embed import Teacher
from evaluate import load_packages, load_pairs, load_wordnet


def main():
    options = argparse.ArgumentParser()
    options.add_argument('--model', required=True)
    options.add_argument('--passages', required=True)
    options.add_argument('--shared', required=True)
    options.add_argument('--out', required=True)
    options.add_argument('--vectors', nargs='*', default=['manuals', 'wordnet', 'packages', 'sections', 'packages-later'])
    options = options.parse_args()
    os.makedirs(options.out, exist_ok=True)
    tasks = {
        'packages': (None, load_packages(options.shared, 0, 8000, 1000)),
        'packages-later': (None, load_packages(options.shared, 16_000, 8000, 1000)),
        'manuals': ('test', load_pairs(options.passages, 'manual', 1000)),
        'wordnet': ('test', load_wordnet(options.shared)),
        'sections': ('tune', load_pairs(options.passages, 'section', 1000)),
    }
    for name, (use, (documents, queries)) in tasks.items():
        if use:
            questions = [{'text': t, 'relevant': i} for t, i in queries]
            with open(f'{options.out}/{name}.json', 'w') as f:
                json.dump({'name': name, 'use': use, 'documents': documents, 'questions': questions}, f)
    teacher = Teacher(options.model, 256)
    for name in options.vectors:
        path = f'{options.out}/{name}.f16'
        if os.path.exists(path):
            continue
        documents, queries = tasks[name][1]
        vectors = teacher.embed(documents + [t for t, _ in queries])
        vectors.astype('<f2').tofile(path)
        print(name, vectors.shape, flush=True)


if __name__ == '__main__':
    main()
