"""Simulating a corpus is killed (SIGKILL, which no code can catch); the next run cleans up what nobody works on any more."""
import os, signal, subprocess, sys, time
from pathlib import Path

import pytest

from asl_nb.data.corpus import Corpus
from asl_nb.simulation.corpus import simulate_corpus

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = '''
import sys
from asl_nb.simulation.corpus import simulate_corpus
simulate_corpus(sys.argv[1], n_signs=200, n_signers=21, workers=int(sys.argv[2]))
'''                                                      # no guard: workers must not need one
os.environ['ASL_NB_QUIET'] = '1'


def running(out, workers):
    "A simulation far too large to end, once it has written some clips; and its hidden folder."
    before = set(out.parent.iterdir())
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])
    p = subprocess.Popen([sys.executable, '-c', SCRIPT, str(out), str(workers)], env=os.environ | {'PYTHONPATH': path},
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert p.poll() is None, p.stderr.read()
        new = [f for f in set(out.parent.iterdir()) - before if f.is_dir() and any(f.rglob('*.parquet'))]
        if new: return p, new[0]
        time.sleep(.05)
    raise AssertionError('no clip was written in a minute')


def kill(p):
    "Kill a process and wait until its workers are gone, too: they hold its standard error."
    p.send_signal(signal.SIGKILL)
    p.communicate(timeout=30)


@pytest.mark.parametrize('workers', [1, 2])
def test_the_next_run_cleans_up(tmp_path, workers):
    out = tmp_path/'corpus'
    p, left = running(out, workers)
    kill(p)
    assert left.is_dir() and not out.exists()            # a kill cannot clean up
    corpus = simulate_corpus(out, 2, 2, 1, workers=1)
    assert os.listdir(tmp_path) == ['corpus']            # no folder, no lock
    assert len(corpus) == len(Corpus.read(out)) == 4


def test_what_others_work_on_stays(tmp_path):
    out = tmp_path/'corpus'
    p, theirs = running(out, 2)
    try:
        simulate_corpus(out, 2, 2, 1, workers=1)         # the same name at the same time: this one is first
        files = len(list(theirs.rglob('*.parquet')))
        end = time.monotonic() + 60
        while len(list(theirs.rglob('*.parquet'))) <= files and time.monotonic() < end: time.sleep(.05)
        assert p.poll() is None and len(list(theirs.rglob('*.parquet'))) > files
    finally: kill(p)
    simulate_corpus(out, 2, 2, 1, workers=1, overwrite=True)
    assert os.listdir(tmp_path) == ['corpus']


def test_hidden_folders_of_other_origin_stay(tmp_path):
    (tmp_path/'.corpus.partial-12345678').mkdir()        # without a lock: not ours to judge
    (tmp_path/'.corpus.partial-12345678.old').mkdir()    # a corpus that stepped aside
    simulate_corpus(tmp_path/'corpus', 2, 2, 1, workers=1)
    assert sorted(os.listdir(tmp_path)) == ['.corpus.partial-12345678', '.corpus.partial-12345678.old', 'corpus']
