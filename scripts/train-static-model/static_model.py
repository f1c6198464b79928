"""A bag-of-tokens embedder: the sum of token vectors (their norms are the weights), L2-normalized."""

import numpy as np
import scipy.sparse as sp
from tokenizers import Tokenizer


class Bags:
    """Texts as a sparse matrix of token counts. `power` < 1 damps repeated tokens."""

    def __init__(self, folder, tokens_max=512, power=1.0):
        self.tokenizer = Tokenizer.from_file(f'{folder}/tokenizer.json')
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(tokens_max)
        self.size = self.tokenizer.get_vocab_size()
        self.power = power

    def encode(self, texts):
        indptr, indices, data = [0], [], []
        for start in range(0, len(texts), 20_000):
            for e in self.tokenizer.encode_batch(texts[start : start + 20_000], add_special_tokens=False):
                ids, counts = np.unique(e.ids, return_counts=True)
                indices.append(ids.astype(np.int32))
                data.append(counts.astype(np.float32) ** self.power)
                indptr.append(indptr[-1] + len(ids))
        return sp.csr_matrix((np.concatenate(data), np.concatenate(indices), indptr), (len(texts), self.size))


def embed(bags, table):
    sums = bags @ table
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)


def quantize(table):
    """int8 rows and one float32 scale a row, so that row = scale * int8."""
    scales = np.maximum(np.abs(table).max(1), 1e-9) / 127
    return np.rint(table / scales[:, None]).astype(np.int8), scales.astype(np.float32)
