"""Retrieval quality (nDCG@10, recall@10) of vectors, BM25 and their fusions; bench/retrieval is the reference."""

import gzip
import json
import os
import re
from collections import Counter

import numpy as np
import scipy.sparse as sp
import Stemmer

STOP = frozenset('a an and are as at be but by for if in into is it no not of on or such that the their then there '
                 'these they this to was will with'.split())


def load_packages(shared, start, count, queries_max):
    """Rows [start, start + count): synopses that occur once find their own body."""
    with gzip.open(os.path.join(shared, 'data/packages.jsonl.gz'), 'rt') as f:
        rows = [json.loads(line) for line in f][start : start + count]
    seen = Counter(r['synopsis'] for r in rows)
    queries = [(r['synopsis'], i) for i, r in enumerate(rows) if seen[r['synopsis']] == 1][:queries_max]
    return [r['body'] for r in rows], queries


def load_pairs(path, split, queries_max):
    """Held-out passages of one split: a title that occurs once finds the first passage under it."""
    documents, titles, seen = [], [], set()
    with open(path) as f:
        for line in f:
            row = json.loads(line)
            if row['split'] != split:
                continue
            if split == 'manual':
                if row['file'] in seen:
                    continue
                seen.add(row['file'])
            documents.append(row['text'])
            titles.append(row['title'])
    count = Counter(titles)
    queries = [(t, i) for i, t in enumerate(titles) if count[t] == 1 and len(t.split()) >= 2][:queries_max]
    return documents, queries


def load_wordnet(shared, distractors=9000):
    """Reverse dictionary: the gloss of each held-out synset finds its words among those of `distractors` others."""

    def read(name, count):
        with gzip.open(os.path.join(shared, 'data', name), 'rt') as f:
            rows = [json.loads(line)['text'] for _, line in zip(range(count), f)]
        return [re.match(r'(.*? \(\w+\)): ([^;]*)', row).groups() for row in rows]

    held_out = read('queries.jsonl.gz', 1000)
    documents = [words for words, _ in held_out + read('texts.jsonl.gz', distractors)]
    return documents, [(gloss, i) for i, (_, gloss) in enumerate(held_out)]


_stemmer = Stemmer.Stemmer('english')


def analyze(text):
    return _stemmer.stemWords([w for w in re.findall(r'[^\W_]+', text.lower()) if w not in STOP])


def bm25_scores(documents, queries, k1=1.2, b=0.75):
    terms = {}
    rows, cols, tf, lengths = [], [], [], []
    for i, document in enumerate(documents):
        counts = Counter(analyze(document))
        lengths.append(sum(counts.values()))
        for term, n in counts.items():
            rows.append(i)
            cols.append(terms.setdefault(term, len(terms)))
            tf.append(n)
    tf = np.array(tf, np.float32)
    cols = np.array(cols)
    lengths = np.array(lengths, np.float32)
    df = np.bincount(cols, minlength=len(terms))
    idf = np.log(1 + (len(documents) - df + 0.5) / (df + 0.5))
    norm = k1 * (1 - b + b * lengths[rows] / lengths.mean())
    matrix = sp.csr_matrix((idf[cols] * tf * (k1 + 1) / (tf + norm), (rows, cols)), (len(documents), len(terms)))
    q_rows, q_cols = [], []
    for i, query in enumerate(queries):
        for term in analyze(query):
            if term in terms:
                q_rows.append(i)
                q_cols.append(terms[term])
    q = sp.csr_matrix((np.ones(len(q_rows), np.float32), (q_rows, q_cols)), (len(queries), len(terms)))
    return (q @ matrix.T).toarray()


def measure(scores, relevant):
    """nDCG@10 and recall@10 with one relevant document a query; ties count against it."""
    own = scores[np.arange(len(relevant)), relevant]
    rank = (scores >= own[:, None]).sum(1)
    found = rank <= 10
    return float((found / np.log2(1 + rank)).mean()), float(found.mean())


def top(scores, depth):
    return np.argpartition(-scores, depth, axis=1)[:, :depth]


def rrf(a, b, depth=100, k=60):
    fused = np.zeros_like(a)
    for scores in (a, b):
        order = np.argsort(-scores, axis=1)[:, :depth]
        for i in range(len(scores)):
            fused[i, order[i]] += 1 / (k + 1 + np.arange(depth))
    return fused


def convex(lexical, semantic, weight, norm='max', depth=100):
    """(1 - weight) * lexical + weight * semantic over the union of both lists' first `depth` candidates."""
    pool = np.zeros(lexical.shape, bool)
    index = np.arange(len(lexical))[:, None]
    pool[index, top(lexical, depth)] = True
    pool[index, top(semantic, depth)] = True
    if norm == 'max':
        a = lexical / np.maximum(lexical.max(1, keepdims=True), 1e-9)
        b = semantic / np.maximum(semantic.max(1, keepdims=True), 1e-9)
    elif norm == 'cosine':
        a = lexical / np.maximum(lexical.max(1, keepdims=True), 1e-9)
        b = semantic
    else:  # min-max over the candidates
        a, b = (
            (s - np.where(pool, s, np.inf).min(1, keepdims=True))
            / np.maximum(s.max(1, keepdims=True) - np.where(pool, s, np.inf).min(1, keepdims=True), 1e-9)
            for s in (lexical, semantic)
        )
    return np.where(pool, (1 - weight) * a + weight * b, -1e9)
