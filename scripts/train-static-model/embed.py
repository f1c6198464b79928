"""Embeds texts with the teacher (all-MiniLM-L6-v2 in ONNX): mean pooling, L2-normalized, float16.

usage: embed.py --model FOLDER --in texts.jsonl --out DIR [--tokens-max 96] [--seconds N]
Writes DIR/NNNN.npy per block of 4,096 texts in the order of the file, so that a stopped run can be used and resumed.
"""

import argparse
import json
import os
import time

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

BLOCK = 4096
BATCH = 32


class Teacher:
    def __init__(self, folder, tokens_max, threads=2, file='model_quantized.onnx'):
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, 'tokenizer.json'))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(tokens_max)
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = threads
        self.session = ort.InferenceSession(os.path.join(folder, 'onnx', file), settings)
        self.inputs = [i.name for i in self.session.get_inputs()]

    def embed(self, texts):
        ids = [e.ids for e in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out = np.empty((len(ids), 384), np.float16)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            out[rows] = self.forward([ids[i] for i in rows])
        return out

    def forward(self, ids):
        width = max(map(len, ids))
        tokens = np.zeros((len(ids), width), np.int64)
        mask = np.zeros((len(ids), width), np.int64)
        for i, row in enumerate(ids):
            tokens[i, : len(row)] = row
            mask[i, : len(row)] = 1
        feed = {'input_ids': tokens, 'attention_mask': mask, 'token_type_ids': np.zeros_like(tokens)}
        hidden = self.session.run(None, {k: feed[k] for k in self.inputs})[0]
        mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def main():
    options = argparse.ArgumentParser()
    options.add_argument('--model', required=True)
    options.add_argument('--in', dest='source', required=True)
    options.add_argument('--out', required=True)
    options.add_argument('--tokens-max', type=int, default=96)
    options.add_argument('--seconds', type=float, default=1e9)
    options = options.parse_args()
    teacher = Teacher(options.model, options.tokens_max)
    os.makedirs(options.out, exist_ok=True)
    with open(options.source) as f:
        texts = [json.loads(line)['text'] for line in f]
    started, done = time.time(), 0
    for block, start in enumerate(range(0, len(texts), BLOCK)):
        path = os.path.join(options.out, f'{block:04d}.npy')
        if os.path.exists(path):
            continue
        if time.time() - started > options.seconds:
            break
        part = texts[start : start + BLOCK]
        np.save(path + '.part.npy', teacher.embed(part))
        os.rename(path + '.part.npy', path)
        done += len(part)
        print(f'{start + len(part)} of {len(texts)}: {done / (time.time() - started):.0f} texts/s', flush=True)


if __name__ == '__main__':
    main()
