"""What the Trainer costs: an epoch through it against a bare PyTorch loop over the same batches.

Both sides read the same pack through the same data module, train the same LSTMPredictor with the same optimiser and schedule, and
look at the same validation clips after each epoch. The Trainer also computes and logs its metrics, writes history, TensorBoard, the
best model and a checkpoint, and guards against a dead loss; all of that, and setting itself up, is inside its time.
"""
import os, shutil, statistics, tempfile, time
from dataclasses import replace
from pathlib import Path

BATCH, BATCHES, EPOCHS, REPEATS = 128, 40, 1, 5


def make_pack(folder):
    "A pack of simulated clips; fewer than an epoch has, since reading one again costs the same."
    from asl_nb.data.pack import pack_corpus
    from asl_nb.simulation.corpus import simulate_corpus
    corpus = simulate_corpus(folder/'raw', n_signs=20, n_signers=8, clips_per_sign_per_signer=5, seed=0, workers=1)
    return pack_corpus(corpus, folder/'pack', show_progress=False)


def make_split(pack):
    "Signers apart; the training clips repeated until they fill the batches of an epoch."
    import numpy as np
    from asl_nb.data.splits import split_signers
    split = split_signers(pack, n_folds=4)
    return replace(split, train=np.resize(split.train, BATCH * BATCHES))


def clock(fn, *args):
    "Seconds an epoch of `fn`, on the wall and of the processor."
    wall, cpu = time.perf_counter(), time.process_time()
    fn(*args)
    return (time.perf_counter() - wall) / EPOCHS, (time.process_time() - cpu) / EPOCHS


def bare(pack, split, config):
    "The loop that everybody writes first."
    import torch
    from asl_nb.data.dataset import SignDataModule
    from asl_nb.models.registry import build_model
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


def through_trainer(pack, split, config, out):
    "`Trainer.train`, everything included."
    from asl_nb.training.trainer import Trainer
    Trainer(None, pack, config, split, out, patience=EPOCHS).train()


def run(real=None):
    "The ratio, as the median over interleaved repeats in this process."
    import torch
    import torch.utils.tensorboard    # imported once in any process: no part of an epoch  # noqa: F401
    from asl_nb.core.settings import load_config
    was, threads = os.environ.get('ASL_NB_QUIET'), torch.get_num_threads()
    os.environ['ASL_NB_QUIET'] = '1'
    torch.set_num_threads(1)          # threads that wait for each other on a busy machine measure the machine
    folder = Path(tempfile.mkdtemp(prefix='bench_trainer_'))
    try:
        pack = make_pack(folder)
        split = make_split(pack)
        config = load_config('LSTMPredictor').override(**{
            'train.epochs': EPOCHS, 'train.device': 'cpu', 'data.batch_size': BATCH, 'data.augment': False})
        short = replace(split, train=split.train[:2 * BATCH])
        bare(pack, short, config)                                 # warm up both sides
        through_trainer(pack, short, config, folder/'warm')
        pairs = []
        for k in range(REPEATS):
            sides = [(bare, pack, split, config), (through_trainer, pack, split, config, folder/f'run{k}')]
            times = {s[0].__name__: clock(*s) for s in (sides if k % 2 == 0 else sides[::-1])}
            pairs.append((times['bare'], times['through_trainer']))
    finally:
        torch.set_num_threads(threads)
        shutil.rmtree(folder, ignore_errors=True)
        if was is None: del os.environ['ASL_NB_QUIET']
        else: os.environ['ASL_NB_QUIET'] = was
    wall = [t[0] / b[0] for b, t in pairs]
    ratio, cpu = statistics.median(wall), statistics.median(t[1] / b[1] for b, t in pairs)
    base, mine = (statistics.median(p[k][0] for p in pairs) for k in (0, 1))
    return [dict(name='an epoch through the Trainer, against a bare PyTorch loop', value=round(ratio, 3), unit='×',
                 target='≤ 1.10', met=ratio <= 1.10,
                 note=f'LSTMPredictor, one thread, {BATCHES} batches of {BATCH} clips and validation: {mine:.1f} s against {base:.1f} s, '
                 f'set-up, metrics, logs and files included; median of {REPEATS} pairs ({min(wall):.2f}–{max(wall):.2f}); processor '
                 f'time {cpu:.2f} ×')]


if __name__ == '__main__': print(run())
