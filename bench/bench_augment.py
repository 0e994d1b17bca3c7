"""The winner's chain of augmentations beside the network it feeds; and the seed's five functions as a batch beside NumPy, clip by clip.

128 clips of up to 64 frames, 118 landmarks, x and y, lengths as ragged as asl-signs' and parts missing. One core (and the graphics card, where
there is one), both sides in turn in one run. The seed's way is written afresh from its documents: one clip, an array (T, L, C), after the other.
"""
import os, sys, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault('ASL_NB_QUIET', '1')

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from asl_nb.augmentation.chain import Augment, recipe
from asl_nb.core.settings import load_config
from asl_nb.models.registry import build_model
from asl_nb.preprocessing.frontends import blank

B, T, L, SIGNS, ROUNDS = 128, 64, 118, 250, 9


def a_batch(seed=0):
    "Ragged clips (median 22 frames, cut at 64), the one hand missing in most frames, the other in a third; mask, ids, labels."
    rng, g = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    n = torch.tensor(np.r_[T, np.exp(rng.normal(np.log(22), 1, B - 1)).round().clip(2, T)].astype(int))
    mask = torch.arange(T) < n[:, None]
    x = torch.rand(B, T, L, 2, generator=g)
    for hand, lost in ((slice(40, 61), .95), (slice(61, 82), .35)):
        x[:, :, hand].masked_fill_((torch.rand(B, T, generator=g) < lost)[..., None, None], torch.nan)
    return blank(x, mask), mask, torch.arange(B), torch.randint(SIGNS, (B,), generator=g)


def seed_way(clips, rng, max_shift=.01, rate=.05, scale=(.9, 1.1), max_angle=10):
    "The seed's shift, mirror, frame dropout, scaling and rotation, each clip by itself; then one padded batch."
    out = []
    for c in clips:
        c = c + rng.uniform(-max_shift, max_shift, c.shape[-1])
        c = np.concatenate([1 - c[..., :1], c[..., 1:]], -1)
        c = c[rng.random(len(c)) >= rate]
        c = c * rng.uniform(*scale)
        a = np.radians(rng.uniform(-max_angle, max_angle))
        out.append(c @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]))
    x = np.full((len(out), max(map(len, out)), *out[0].shape[1:]), np.nan, np.float32)
    for row, c in zip(x, out): row[:len(c)] = c
    return torch.from_numpy(x)


def seconds(device, *calls):
    "The quickest of several rounds for each call, one after the other in each round: of the processor on a CPU, of the clock on a card."
    clock = time.process_time if device == 'cpu' else time.perf_counter
    sync = torch.cuda.synchronize if device != 'cpu' else lambda: None
    best = [float('inf')] * len(calls)
    for k in range(ROUNDS + 1):
        for i, f in enumerate(calls):
            sync(); start = clock(); f(); sync()
            if k: best[i] = min(best[i], clock() - start)                # the first round warms up
    return best


def measure(device):
    "Seconds of the winner's chain, of the network, of the seed's chain, and of the seed's way."
    x, mask, ids, y = a_batch()
    clips = [c[m].numpy() for c, m in zip(x, mask)]
    x, mask, ids, y = (v.to(device) for v in (x, mask, ids, y))
    model = build_model(load_config('ConvFormer'), n_classes=SIGNS).to(device)
    weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert weights == 1_830_040, weights
    rows = model.frontend.rows
    always = [dict(name=s.name, p=1., args=s.args) for s in recipe('seed')]
    winner, seed, epoch, rng = Augment('winner', rows), Augment(always, rows), iter(range(10**6)), np.random.default_rng(0)

    def step():
        model.zero_grad(set_to_none=True)
        cross_entropy(model(x, mask), y).backward()
    return seconds(device, lambda: winner(x, mask, 0, next(epoch), ids), step, lambda: seed(x, mask, 0, next(epoch), ids),
                   lambda: seed_way(clips, rng).to(device))


def run(real=None):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try: measured = {d: measure(d) for d in ['cpu'] + ['cuda'] * torch.cuda.is_available()}
    finally: torch.set_num_threads(threads)
    rows = []
    for device, (winner, step, seed, numpy) in measured.items():
        where = 'one core' if device == 'cpu' else torch.cuda.get_device_name()
        rows += [dict(name=f'the winner\'s augmentations beside one pass of its network, {where}', value=round(winner/step, 3), unit='of its time',
                      target='≤ .25', met=winner <= .25*step,
                      note=f'{B} clips ≤ {T} frames: {1000*winner:.0f} ms; ConvFormer forward and backward {1000*step:.0f} ms'),
                 dict(name=f'the winner\'s chain beside the seed\'s five functions clip by clip in NumPy, {where}', value=round(numpy/winner, 2),
                      unit='× clips a second', target='≥ 20', met=numpy >= 20*winner,
                      note=f'{B/winner:,.0f} and {B/numpy:,.0f} clips a second; the chain does more: it resamples, cuts out, exchanges sides'),
                 dict(name=f'the seed\'s five functions as a batch beside clip by clip in NumPy, {where}', value=round(numpy/seed, 2),
                      unit='× clips a second', target='≥ 20', met=numpy >= 20*seed,
                      note=f'{B/seed:,.0f} and {B/numpy:,.0f} clips a second, each function for every clip. NumPy\'s clip fits the processor\'s cache and has no padding')]
    return rows


if __name__ == '__main__':
    for row in run(os.environ.get('ASL_REAL_DATA')): print(row)
