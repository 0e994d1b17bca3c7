"""Feeding batches of 128 from a pack against a Dataset that does `np.load` for each clip, in turn, on one core.

Both read the same clips, rows (seed96), coordinates and dtype in the same batches, through PyTorch's DataLoader without worker
processes, and both give padded float32 blocks with mask and labels. The files of the other side hold the wanted rows only, so
that nothing has to be picked out of them. Everything is in the page cache of the system by the time it is measured.
"""
import statistics, sys, tempfile, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from asl_nb.data.dataset import ASL_DATASET, ClipBatchSampler
from asl_nb.data.pack import pack_corpus
from asl_nb.preprocessing.frontends import collate
from asl_nb.simulation.corpus import simulate_corpus

SIZES = dict(n_signs=25, n_signers=10, clips_per_sign_per_signer=6)   # about 1,500 clips
REPEATS = 11


class OneFilePerClip(Dataset):
    "The usual way: a `.npy` a clip, opened when it is asked for."
    def __init__(self, ds, folder):
        self.paths = [folder/f'{i}.npy' for i in range(len(ds))]
        self.y = ds.y.tolist()
        for i, path in enumerate(self.paths): np.save(path, ds[i][0].numpy())

    def __len__(self): return len(self.paths)
    def __getitem__(self, i): return torch.from_numpy(np.load(self.paths[i])), self.y[i]


def pad(items):
    "The usual collating: NaN behind the end of each clip, a mask, the labels."
    clips, y = zip(*items)
    x = pad_sequence(clips, batch_first=True, padding_value=float('nan'))
    lengths = torch.tensor([len(c) for c in clips])
    return x, torch.arange(x.shape[1]) < lengths[:, None], torch.tensor(y)


def seconds(loader, epoch):
    "Wall time of one pass; the batches are touched, as a model would."
    loader.batch_sampler.set_epoch(epoch)
    t = time.perf_counter()
    for batch in loader: batch[0][-1, -1].sum()
    return time.perf_counter() - t


def measure(ds, files, bucket):
    "Medians over interleaved passes: the ratio of the pairs, and our seconds a pass."
    sampler = lambda: ClipBatchSampler(ds.lengths, 128, bucket=bucket)
    ours, theirs = DataLoader(ds, batch_sampler=sampler(), collate_fn=collate), DataLoader(files, batch_sampler=sampler(), collate_fn=pad)
    for a, b in zip(ours, theirs):                                      # the same batches, and warm
        assert torch.equal(a.x.nan_to_num(), b[0].nan_to_num()) and torch.equal(a.mask, b[1]) and torch.equal(a.y, b[2])
    pairs = [(seconds(theirs, e), seconds(ours, e)) for e in range(REPEATS)]
    return statistics.median(a / b for a, b in pairs), statistics.median(b for _, b in pairs), len(ours)


def run(real=None):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as tmp:
            tmp = Path(tmp)
            corpus = simulate_corpus(tmp/'raw', **SIZES, style='ragged')
            ds = ASL_DATASET(pack_corpus(corpus, tmp/'pack', show_progress=False))
            (tmp/'files').mkdir()
            files = OneFilePerClip(ds, tmp/'files')
            (ratio, _, _), (bucketed, took, batches) = measure(ds, files, False), measure(ds, files, True)
            how = f'{len(ds):,} simulated clips, seed96, xy, float32; median of {REPEATS} interleaved passes'
            rows = [dict(name='feeding batches of 128 from a pack / np.load of each clip, bucketed', value=round(bucketed, 2),
                         unit='×', target='≥ 3', met=bucketed >= 3, note=f'{how}, one core'),
                    dict(name='the same without bucketing', value=round(ratio, 2), unit='×', target='', met=None,
                         note=f'{how}; both sides mostly write padding here'),
                    dict(name='feeding, bucketed', value=round(len(ds)/took), unit='clips/s', target='', met=None,
                         note=f'{took/batches*1e3:.1f} ms a batch; for orientation')]
    finally: torch.set_num_threads(before)
    return rows


if __name__ == '__main__':
    for row in run(): print(row)
