"""What the Trainer costs: an epoch through it against a bare PyTorch loop over the same batches.

Both sides read the same pack through the same data module, train the same LSTMPredictor with the same optimiser and schedule, and
look at the same validation clips after each epoch. The Trainer also computes and logs its metrics, writes history, TensorBoard, the
best model and a checkpoint, and guards against a dead loss; all of that, and setting itself up, is inside its time.
"""
import os, shutil, statistics, tempfile, time
from dataclasses import replace
from pathlib import Path

BATCH, BATCHES, EPOCHS, REPEATS = 128, 40, 1, 3


def make_pack(folder):
    "A pack of simulated clips; fewer than an epoch has, since reading one again costs the same."
    from asl_nb.pack import pack_corpus
    from asl_nb.simulate import simulate_corpus
    corpus = simulate_corpus(folder/'raw', n_signs=20, n_signers=8, clips_per_sign_per_signer=5, seed=0)
    return pack_corpus(corpus, folder/'pack', show_progress=False)


def make_split(pack):
    "Signers apart; the training clips repeated until they fill the batches of an epoch."
    import numpy as np
    from asl_nb.splits import split_signers
    split = split_signers(pack, n_folds=4)
    return replace(split, train=np.resize(split.train, BATCH * BATCHES))


def bare(pack, split, config):
    "Seconds an epoch of the loop that everybody writes first."
    import torch
    from asl_nb.dataset import SignDataModule
    from asl_nb.models.base import build_model
    start = time.perf_counter()
    torch.manual_seed(0)
    model = build_model(config, n_classes=len(pack.signs))
    data = SignDataModule(pack, model.frontend.rows, split, BATCH)
    train, valid = data.train_dataloader(), data.val_dataloader()
    opt = torch.optim.Adam(model.parameters(), lr=config.optimizer.lr)
    schedule = torch.optim.lr_scheduler.ExponentialLR(opt, config.scheduler.gamma)
    for epoch in range(EPOCHS):
        model.train()
        for b in train:
            opt.zero_grad()
            torch.nn.functional.cross_entropy(model(b.x, b.mask), b.y).backward()
            opt.step()
        schedule.step()
        model.eval()
        with torch.no_grad():
            for b in valid: torch.nn.functional.cross_entropy(model(b.x, b.mask), b.y).item()
    return (time.perf_counter() - start) / EPOCHS


def through_trainer(pack, split, config, out):
    "Seconds an epoch through `Trainer.train`, everything included."
    from asl_nb.trainer import Trainer
    start = time.perf_counter()
    Trainer(None, pack, config, split, out, patience=EPOCHS).train()
    return (time.perf_counter() - start) / EPOCHS


def run(real=None):
    "The ratio, as the median over interleaved repeats in this process."
    from asl_nb.config import load_config
    import torch.utils.tensorboard    # imported once in any process: no part of an epoch  # noqa: F401
    was = os.environ.get('ASL_NB_QUIET')
    os.environ['ASL_NB_QUIET'] = '1'
    folder = Path(tempfile.mkdtemp(prefix='bench_trainer_'))
    try:
        pack = make_pack(folder)
        split = make_split(pack)
        config = load_config('LSTMPredictor').override(**{
            'train.epochs': EPOCHS, 'train.device': 'cpu', 'data.batch_size': BATCH})
        bare(pack, replace(split, train=split.train[:2 * BATCH]), config)    # warm up both sides
        through_trainer(pack, replace(split, train=split.train[:2 * BATCH]), config, folder/'warm')
        pairs = []
        for k in range(REPEATS):
            first = bare(pack, split, config) if k % 2 == 0 else None
            mine = through_trainer(pack, split, config, folder/f'run{k}')
            pairs.append((first or bare(pack, split, config), mine))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if was is None: del os.environ['ASL_NB_QUIET']
        else: os.environ['ASL_NB_QUIET'] = was
    ratio = statistics.median(t / b for b, t in pairs)
    seconds = [statistics.median(x) for x in zip(*pairs)]
    return [dict(name='an epoch through the Trainer, against a bare PyTorch loop', value=round(ratio, 3), unit='×', target='≤ 1.10',
                 met=ratio <= 1.10, note=f'LSTMPredictor on the CPU, {BATCHES} batches of {BATCH} clips and validation; {seconds[1]:.1f} s '
                 f'against {seconds[0]:.1f} s, set-up, metrics, logs and files included; median of {REPEATS} interleaved pairs '
                 f'({min(t / b for b, t in pairs):.2f}–{max(t / b for b, t in pairs):.2f})')]


if __name__ == '__main__': print(run())
