"""What Lightning brings of its own, together with a run of ours: averaged weights, its callbacks and loggers, several processes."""
import json, os, subprocess, sys, textwrap, warnings
from pathlib import Path

import pytest
from pytorch_lightning.callbacks import Callback, EMAWeightAveraging, LearningRateMonitor

from asl_nb import build_model, evaluate, pack_corpus, simulate_corpus, train

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='module')
def pack(tmp_path_factory):
    tmp = tmp_path_factory.mktemp('lightning')
    return pack_corpus(simulate_corpus(tmp/'raw', n_signs=4, n_signers=6, clips_per_sign_per_signer=3, workers=1), tmp/'pack', show_progress=False)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield


def test_the_file_holds_the_averaged_weights_that_were_measured(pack, tmp_path):
    run = train(pack, 'GRUPredictor', tmp_path/'run', epochs=2, augment=lambda x, mask, *_: (x, mask), lightning=dict(callbacks=[EMAWeightAveraging(None, decay=.9)]))
    row = run.history[run.history.epoch == run.best_epoch].iloc[0]
    assert evaluate(run.model_file, pack, 'valid').scores['loss'] == pytest.approx(row.valid_loss, rel=1e-4)


class Counts(Callback):
    "Counts the batches that it saw."
    def __init__(self): self.n = 0
    def on_train_batch_end(self, *args): self.n += 1


@pytest.mark.parametrize('given', [lambda c: [c], lambda c: c])
def test_callbacks_of_yours_come_beside_ours(pack, tmp_path, given):
    counts = Counts()
    run = train(pack, 'MeanPoolPredictor', tmp_path/'run', epochs=1, lightning=dict(callbacks=given(counts)))
    assert counts.n > 0 and run.model_file.exists() and len(run.history) == 1 and (tmp_path/'run'/'last.ckpt').exists()


def test_rates_are_logged_and_no_logger_is_no_obstacle(pack, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    run = train(pack, 'MeanPoolPredictor', tmp_path/'run', epochs=1, lightning=dict(callbacks=[LearningRateMonitor()], log_every_n_steps=1))
    tags = EventAccumulator(str(run.run/'tensorboard')).Reload().Tags()['scalars']
    assert any(t.startswith('lr-') for t in tags) and 'accuracy/valid' in tags and 'valid_accuracy' not in tags
    assert len(train(pack, 'MeanPoolPredictor', tmp_path/'none', epochs=1, lightning=dict(logger=False)).history) == 1


TWO = '''
    import os, sys, torch
    from asl_nb import train
    from asl_nb.data.pack import Pack
    from pytorch_lightning.callbacks import Callback
    os.chdir(sys.argv[2])
    class Notes(Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, i):
            with open(f'seen-{trainer.global_rank}', 'a') as f: print(trainer.current_epoch, *batch.clip.tolist(), file=f)
    run = train(sys.argv[1], 'MeanPoolPredictor', OUT, epochs=2, lightning=dict(
        callbacks=[Notes()], accelerator='cpu', devices=2, strategy='ddp'), **{'data.batch_size': 12, 'train.device': 'cpu', 'paths.out_dir': sys.argv[2]})
    with open(f'said-{os.environ.get("LOCAL_RANK", 0)}', 'w') as f: print(run.run, len(run.history), file=f)
'''


@pytest.mark.parametrize('out', ["'run'", 'None'])
def test_two_processes_are_one_run(pack, tmp_path, out):
    (tmp_path/'two.py').write_text(textwrap.dedent(TWO).replace('OUT', out))
    r = subprocess.run([sys.executable, tmp_path/'two.py', pack.path, tmp_path], capture_output=True, text=True, timeout=180, cwd=ROOT,
                       env={k: v for k, v in os.environ.items() if k != 'LOCAL_RANK'} | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'})
    assert r.returncode == 0, r.stderr[-3000:]
    said = [(tmp_path/f'said-{i}').read_text().split() for i in (0, 1)]
    assert said[0] == said[1] and said[0][1] == '2'
    folder = tmp_path/said[0][0]
    assert (folder/'best.safetensors').exists() and (folder/'last.ckpt').exists() and len(list(folder.parent.glob('MeanPool*'))) <= 1
    train_clips = json.loads((folder/'split.json').read_text())['train']
    for epoch in '01':
        seen = [line.split()[1:] for i in (0, 1) for line in (tmp_path/f'seen-{i}').read_text().splitlines() if line.split()[0] == epoch]
        assert sorted(int(c) for line in seen for c in line) == sorted(train_clips)
    assert len((tmp_path/'seen-0').read_text().splitlines()) == len((tmp_path/'seen-1').read_text().splitlines())
