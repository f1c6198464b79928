"""First token vectors, after model2vec (Tulkens & van Dongen): the teacher's vector of each token alone, centred and
weighted by a / (a + frequency) (Arora et al., SIF), with the frequency counted in the training texts.

usage: initialize.py --model TEACHER --texts texts.jsonl --out init.npy
"""

import argparse
import json

import numpy as np

from embed import Teacher
from static_model import Bags


def main():
    options = argparse.ArgumentParser()
    options.add_argument('--model', required=True)
    options.add_argument('--texts', required=True)
    options.add_argument('--out', required=True)
    options.add_argument('--sif', type=float, default=1e-3)
    options = options.parse_args()
    teacher = Teacher(options.model, 8)
    start, end = teacher.tokenizer.token_to_id('[CLS]'), teacher.tokenizer.token_to_id('[SEP]')
    size = teacher.tokenizer.get_vocab_size()
    table = np.concatenate([teacher.forward([[start, t, end] for t in range(i, min(i + 256, size))])
                            for i in range(0, size, 256)])
    with open(options.texts) as f:
        texts = [json.loads(line)['text'] for _, line in zip(range(60_000), f)]
    counts = np.asarray(Bags(options.model).encode(texts).sum(0)).ravel() + 1
    table = table - table.mean(0)
    table *= (options.sif / (options.sif + counts / counts.sum()))[:, None]
    np.save(options.out, table.astype(np.float32))


if __name__ == '__main__':
    main()
