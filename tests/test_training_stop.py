"""A training that is told to stop stops, keeps what it has, and can be gone on with; nothing after it in the script runs.

The training runs in a process of its own, so that the signal is a real one and the exit status is the one a shell sees.
"""
import os, signal, subprocess, sys, time

import pytest

TRAIN = """
import sys, time
import pytorch_lightning as pl
from asl_nb.training.trainer import train

class Slow(pl.Callback):
    "Batches long enough to be interrupted in."
    def on_train_batch_end(self, *args): time.sleep(.02)

print(train(sys.argv[1], out=sys.argv[2], model='MeanPoolPredictor', epochs=500, early_stop_patience=500, batch_size=8,
            device='cpu', callbacks=[Slow()]))
print('the next step')
"""


@pytest.fixture(scope='module')
def pack(tmp_path_factory):
    "A small pack of simulated clips."
    from asl_nb.data.pack import pack_corpus
    from asl_nb.simulation.corpus import simulate_corpus
    folder = tmp_path_factory.mktemp('stop')
    corpus = simulate_corpus(folder/'raw', n_signs=3, n_signers=5, clips_per_sign_per_signer=4, workers=1)
    return pack_corpus(corpus, folder/'pack', workers=1, show_progress=False)


def stopped(pack, out, number, wait_for):
    "Start a training, send it a signal once a file is there; exit status, stdout, stderr."
    env = os.environ | {'ASL_NB_QUIET': '1', 'OMP_NUM_THREADS': '1'}
    listen = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)      # a shell's background jobs start deaf to Ctrl-C
    p = subprocess.Popen([sys.executable, '-c', TRAIN, str(pack.path), str(out)], env=env, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=listen)
    try:
        end = time.monotonic() + 120
        while not (out/wait_for).exists() and p.poll() is None and time.monotonic() < end: time.sleep(.05)
        p.send_signal(number)
        said, errors = p.communicate(timeout=60)
    finally: p.kill()
    return p.returncode, said, errors


def test_sigterm_ends_the_process_and_keeps_the_best(pack, tmp_path):
    from asl_nb.models.files import load_model
    from asl_nb.training.trainer import train
    out = tmp_path/'run'
    status, said, errors = stopped(pack, out, signal.SIGTERM, 'last.ckpt')
    assert status == 128 + signal.SIGTERM, errors
    assert 'the next step' not in said
    assert 'interrupted after' in errors and f'--resume {out}' in errors
    model, info = load_model(out/'best.safetensors')
    assert info.signs == pack.signs
    done = len((out/'history.csv').read_text().splitlines()) - 1
    again = train(pack, resume=out, epochs=done + 1)
    assert len(again.history) == done + 1 and not again.interrupted


def test_ctrl_c_returns_to_the_script(pack, tmp_path):
    status, said, errors = stopped(pack, tmp_path/'run', signal.SIGINT, 'last.ckpt')
    assert status == 0, errors
    assert 'interrupted after' in said and 'the next step' in said


def test_killed_before_the_first_checkpoint(pack, tmp_path):
    "`kill -9` leaves a folder that can be resumed, whatever is in it."
    from asl_nb.training.trainer import train
    out = tmp_path/'run'
    status, _, errors = stopped(pack, out, signal.SIGKILL, 'config.yaml')
    assert status == -signal.SIGKILL, errors
    (out/'last.ckpt').unlink(missing_ok=True)         # should it have come further than that
    if (out/'history.csv').exists(): (out/'history.csv').unlink()
    assert len(train(pack, resume=out, epochs=2).history) == 2


CROWDED = """
import resource, signal, sys
import pytorch_lightning as pl
from asl_nb.core.errors import WriteError
from asl_nb.training.trainer import train

class Limit(pl.Callback):
    "From the second epoch on no file may grow beyond so many bytes, as on a disk that is nearly full."
    def on_train_epoch_start(self, trainer, *args):
        if trainer.current_epoch == 1:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))

try: train(sys.argv[1], out=sys.argv[2], model='MeanPoolPredictor', epochs=3, device='cpu', callbacks=[Limit()])
except WriteError as e: print(e)
"""


def crowded(pack, out, limit):
    "A training that can write no file larger than `limit` bytes after its first epoch; stdout, stderr."
    env = os.environ | {'ASL_NB_QUIET': '1', 'OMP_NUM_THREADS': '1'}
    r = subprocess.run([sys.executable, '-c', CROWDED, str(pack.path), str(out), str(limit)], env=env, text=True,
                       capture_output=True, timeout=120)
    assert r.returncode == 0, r.stderr
    return r.stdout, r.stderr


def test_a_full_disk_costs_one_epoch(pack, tmp_path):
    "The checkpoint does not fit: words instead of a traceback, the one before is whole, and the run can go on."
    from asl_nb.training.callbacks import check_checkpoint
    from asl_nb.training.trainer import train
    whole = train(pack, out=tmp_path/'whole', model='MeanPoolPredictor', epochs=3, device='cpu')
    best, last = (tmp_path/'whole'/f for f in ('best.safetensors', 'last.ckpt'))
    limit = (best.stat().st_size + last.stat().st_size) // 2         # the best model fits, the checkpoint does not
    out = tmp_path/'run'
    said, errors = crowded(pack, out, limit)
    assert f'{out/"last.ckpt"} was not written' in said and f'asl_train PACK --resume {out}' in said, said + errors
    assert 'Traceback' not in errors, errors
    assert not list(out.glob('.*')), 'something half written is left'
    check_checkpoint(out/'last.ckpt')
    again = train(pack, resume=out)
    assert again.history.drop(columns='seconds').equals(whole.history.drop(columns='seconds'))
    assert (out/'best.safetensors').read_bytes() == best.read_bytes()


def test_curves_that_do_not_fit_end_nothing(pack, tmp_path):
    "A limit below everything: TensorBoard is a warning and no traceback from a thread, the history is the error."
    said, errors = crowded(pack, tmp_path/'run', 10)
    assert 'was not written' in said and 'go on with' in said, said + errors
    assert 'Traceback' not in errors, errors


def test_curves_alone_do_not_fit(pack, tmp_path, monkeypatch):
    "The training goes on without TensorBoard, and says so once."
    from asl_nb.training.callbacks import CurvesNotWritten
    from asl_nb.training.trainer import Trainer, train
    begin = Trainer._begin
    def then_a_file(self, epochs):      # a run would not begin where somebody's file is
        begin(self, epochs)
        (self.out/'tensorboard').write_text('a file where the folder should be')
    monkeypatch.setattr(Trainer, '_begin', then_a_file)
    with pytest.warns(CurvesNotWritten) as said: run = train(pack, out=tmp_path/'run', model='MeanPoolPredictor', epochs=2, device='cpu')
    assert len([w for w in said if w.category is CurvesNotWritten]) == 1 and len(run.history) == 2


def test_a_dead_run_says_so(pack, tmp_path):
    from asl_nb.training.module import DeadRun
    from asl_nb.training.trainer import train
    with pytest.warns(DeadRun, match='the training diverged'):
        run = train(pack, out=tmp_path/'run', model='LSTMPredictor', epochs=2, device='cpu', **{'optimizer.lr': 1e30})
    assert 'BEWARE: the validation loss is' in str(run)
