"""A training that is told to stop stops, keeps what it has, and can be gone on with; nothing after it in the script runs.

The training runs in a process of its own, so that the signal is a real one and the exit status is the one a shell sees.
"""
import os, signal, subprocess, sys, time

import pytest

TRAIN = """
import sys, time
import pytorch_lightning as pl
from asl_nb.trainer import train

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
    from asl_nb.pack import pack_corpus
    from asl_nb.simulate import simulate_corpus
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
    from asl_nb.models.base import load_model
    from asl_nb.trainer import train
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
    from asl_nb.trainer import train
    out = tmp_path/'run'
    status, _, errors = stopped(pack, out, signal.SIGKILL, 'config.yaml')
    assert status == -signal.SIGKILL, errors
    (out/'last.ckpt').unlink(missing_ok=True)         # should it have come further than that
    if (out/'history.csv').exists(): (out/'history.csv').unlink()
    assert len(train(pack, resume=out, epochs=2).history) == 2
