"""Writes a trained table as models/static-384: model.bin (int8) and model.json (its SHA-256 and facts).

usage: export.py --model TEACHER --table table.npy --out FOLDER
"""

import argparse
import hashlib
import json
import os
import re
import struct

import numpy as np
from tokenizers import Tokenizer

from static_model import quantize

NAME = 'windlass-static-384-1'


def main():
    options = argparse.ArgumentParser()
    options.add_argument('--model', required=True)
    options.add_argument('--table', required=True)
    options.add_argument('--out', required=True)
    options = options.parse_args()
    vocabulary = Tokenizer.from_file(f'{options.model}/tokenizer.json').get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.get)
    keep = [i for i, t in enumerate(tokens) if not re.fullmatch(r'\[(unused\d+|PAD|CLS|SEP|MASK)\]', t)]
    rows, scales = quantize(np.load(options.table)[keep])
    tokens = [tokens[i] for i in keep]
    # An unknown word says nothing: it must not pull all texts that have one together.
    rows[tokens.index('[UNK]')] = 0
    scales[tokens.index('[UNK]')] = 0
    text = '\n'.join(tokens).encode()
    facts = {
        'name': NAME, 'dimension': rows.shape[1], 'vocabularySize': len(tokens), 'vocabularyBytes': len(text),
        'tokenizer': 'wordpiece-uncased', 'pooling': 'sum of sqrt(count) * vector, then L2-normalized',
        'teacher': 'sentence-transformers/all-MiniLM-L6-v2', 'licence': 'Apache-2.0',
    }
    header = json.dumps(facts).encode()
    header += b' ' * (-len(header) % 4)
    blob = b'WLSTATIC' + struct.pack('<II', 1, len(header)) + header
    blob += scales.astype('<f4').tobytes() + rows.tobytes() + text
    os.makedirs(options.out, exist_ok=True)
    with open(f'{options.out}/model.bin', 'wb') as f:
        f.write(blob)
    facts |= {'file': 'model.bin', 'bytes': len(blob), 'sha256': hashlib.sha256(blob).hexdigest()}
    with open(f'{options.out}/model.json', 'w') as f:
        f.write(json.dumps(facts, indent=2) + '\n')
    print(json.dumps(facts, indent=2))


if __name__ == '__main__':
    main()
