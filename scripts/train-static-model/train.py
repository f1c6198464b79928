"""Trains token vectors so that their normalized sum is near the teacher's sentence embedding.

Loss, per batch: (1) 1 - cosine to the teacher; (2) the KL divergence between the teacher's and the student's softmax
over the batch's cosines (similarity distillation); (3) InfoNCE between titles and the passages under them.
The first two follow model2vec's Tokenlearn and similarity distillation (ISD), the third sentence-transformers' static
retrieval models; see README.md.

usage: train.py --model TEACHER --set NAME:texts.jsonl:vectors … --pairs passages.jsonl --out table.npy
"""

import argparse
import glob
import gzip
import json
import os
import time

import numpy as np
import scipy.sparse as sp

from static_model import Bags


def softmax(x):
    x = np.exp(x - x.max(1, keepdims=True))
    return x / x.sum(1, keepdims=True)


class LazyAdam:
    """Adam on the rows a batch touched; bias correction by the step count of the whole run."""

    def __init__(self, table, beta1=0.9, beta2=0.99):
        self.table, self.step = table, 0
        self.m, self.v = np.zeros_like(table), np.zeros_like(table)
        self.beta1, self.beta2 = beta1, beta2

    def update(self, rows, gradient, rate):
        self.step += 1
        m = self.m[rows] * self.beta1 + gradient * (1 - self.beta1)
        v = self.v[rows] * self.beta2 + gradient * gradient * (1 - self.beta2)
        self.m[rows], self.v[rows] = m, v
        m_hat = m / (1 - self.beta1**self.step)
        v_hat = v / (1 - self.beta2**self.step)
        self.table[rows] -= rate * m_hat / (np.sqrt(v_hat) + 1e-8)


class Batch:
    """Unit vectors of some bags, and the way back from a gradient on them to one on the token rows used."""

    def __init__(self, bags, table, dropout, rng):
        if dropout:
            bags = bags.copy()
            bags.data = bags.data * (rng.random(len(bags.data)) >= dropout)
        self.rows = np.unique(bags.indices)
        lookup = np.zeros(table.shape[0], np.int32)
        lookup[self.rows] = np.arange(len(self.rows), dtype=np.int32)
        self.bags = sp.csr_matrix((bags.data, lookup[bags.indices], bags.indptr), (bags.shape[0], len(self.rows)))
        sums = self.bags @ table[self.rows]
        self.norms = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
        self.unit = sums / self.norms

    def back(self, gradient):
        inner = (gradient * self.unit).sum(1, keepdims=True)
        return self.bags.T @ ((gradient - inner * self.unit) / self.norms)


def distillation(unit, teacher, weights, temperature):
    n = len(unit)
    loss = (1 - (unit * teacher).sum(1)).mean()
    gradient = -weights['cosine'] * teacher / n
    if weights['similarity']:
        wanted = teacher @ teacher.T / temperature
        got = unit @ unit.T / temperature
        np.fill_diagonal(wanted, -1e4)
        np.fill_diagonal(got, -1e4)
        d = (softmax(got) - softmax(wanted)) / n
        gradient = gradient + weights['similarity'] * ((d + d.T) @ unit) / temperature
    return loss, gradient


def contrast(queries, passages, same, temperature):
    """InfoNCE both ways; `same` marks passages of the query's own page, which are no negatives."""
    logits = queries @ passages.T / temperature
    logits[same] = -1e4
    n = len(queries)
    forward, backward = softmax(logits), softmax(logits.T)
    loss = -np.log(np.maximum(np.diag(forward), 1e-9)).mean()
    d = (forward + backward.T) / 2
    d[np.arange(n), np.arange(n)] -= 1
    d /= n
    return loss, d @ passages / temperature, d.T @ queries / temperature


def load_set(name, texts, vectors):
    if texts.endswith('.gz'):
        with gzip.open(texts, 'rt') as f:
            rows = [json.loads(line)['text'] for line in f]
    else:
        with open(texts) as f:
            rows = [json.loads(line)['text'] for line in f]
    if os.path.isdir(vectors):
        blocks = sorted(b for b in glob.glob(f'{vectors}/*.npy') if not b.endswith('.part.npy'))
        targets = np.concatenate([np.load(b) for b in blocks])
    else:
        targets = np.fromfile(vectors, np.float16).reshape(-1, 384)
    print(f'{name}: {len(targets)} of {len(rows)} texts embedded', flush=True)
    return rows[: len(targets)], targets


def load_pairs(path, manual_copies):
    pairs = []
    with open(path) as f:
        for line in f:
            row = json.loads(line)
            title = row['title']
            if row['split'] != 'train' or len(title.split()) < 2 or len(row['text'].split()) < 8:
                continue
            manual = row['package'].startswith('man-') or row['file'].endswith('.gz')
            pairs.extend([(title, row['text'], row['file'])] * (manual_copies if manual else 1))
    return pairs


def train(table, bags, targets, left, right, pages, options):
    """Minimizes the loss over `options.epochs` passes of the distillation set; pairs are drawn alongside."""
    rng = np.random.default_rng(options.seed)
    adam = LazyAdam(table)
    weights = {'cosine': options.cosine, 'similarity': options.similarity}
    steps = int(options.epochs * bags.shape[0] / options.batch)
    order, started, mean = np.empty(0, np.int64), time.time(), np.zeros(2)
    for step in range(steps):
        if len(order) < options.batch:
            order = rng.permutation(bags.shape[0])
        rows, order = order[: options.batch], order[options.batch :]
        rate = options.rate * min(1, (step + 1) / 100) * (1 - step / steps)
        batch = Batch(bags[rows], table, options.dropout, rng)
        loss, gradient = distillation(batch.unit, targets[rows].astype(np.float32), weights, options.temperature)
        parts = [(batch.rows, batch.back(gradient))]
        other = 0
        if options.contrast and left is not None:
            rows = rng.choice(left.shape[0], options.pair_batch, replace=False)
            a, b = Batch(left[rows], table, options.dropout, rng), Batch(right[rows], table, options.dropout, rng)
            same = (pages[rows][:, None] == pages[rows][None]) & ~np.eye(len(rows), dtype=bool)
            other, da, db = contrast(a.unit, b.unit, same, options.pair_temperature)
            parts += [(a.rows, options.contrast * a.back(da)), (b.rows, options.contrast * b.back(db))]
        touched = np.unique(np.concatenate([r for r, _ in parts]))
        total = np.zeros((len(touched), table.shape[1]), np.float32)
        for r, g in parts:
            total[np.searchsorted(touched, r)] += g
        adam.update(touched, total, rate)
        mean = mean * 0.98 + 0.02 * np.array([loss, other])
        if step % 100 == 99:
            print(f'step {step + 1} of {steps}: 1-cosine {mean[0]:.4f}, contrast {mean[1]:.4f}, '
                  f'{time.time() - started:.0f} s', flush=True)
    return table


def main():
    options = argparse.ArgumentParser()
    options.add_argument('--model', required=True)
    options.add_argument('--set', action='append', default=[])
    options.add_argument('--pairs')
    options.add_argument('--init', required=True)
    options.add_argument('--out', required=True)
    for name, kind, value in (
        ('epochs', float, 3), ('batch', int, 1024), ('pair-batch', int, 512), ('rate', float, 0.003),
        ('cosine', float, 1), ('similarity', float, 1), ('contrast', float, 0.3), ('temperature', float, 0.05),
        ('pair-temperature', float, 0.05), ('dropout', float, 0), ('seed', int, 1), ('manual-copies', int, 2),
        ('power', float, 1), ('tokens-max', int, 96),
    ):
        options.add_argument(f'--{name}', type=kind, default=value)
    options = options.parse_args()
    bagger = Bags(options.model, options.tokens_max, options.power)
    texts, targets = [], []
    for item in options.set:
        rows, vectors = load_set(*item.split(':'))
        texts += rows
        targets.append(vectors)
    left = right = pages = None
    if options.pairs:
        pairs = load_pairs(options.pairs, options.manual_copies)
        left, right = bagger.encode([p[0] for p in pairs]), bagger.encode([p[1] for p in pairs])
        pages = np.unique([p[2] for p in pairs], return_inverse=True)[1]
        print(f'{len(pairs)} pairs', flush=True)
    table = np.load(options.init).astype(np.float32)
    train(table, bagger.encode(texts), np.concatenate(targets), left, right, pages, options)
    np.save(options.out, table)


if __name__ == '__main__':
    main()
