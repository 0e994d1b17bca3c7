"""Importing numbers is killed (SIGKILL, which no code can catch): the next import to the same place removes what was left, and nothing else.

Films have their own way, see `test_import_videos.py`.
"""
import os, signal, subprocess, sys, time
from pathlib import Path

import numpy as np
import pytest

from asl_nb.core.errors import AslNbError
from asl_nb.data.corpus import Corpus, CorpusError, write_corpus
from asl_nb.data.corpus import merge_corpora
from asl_nb.data.keypoint_arrays import import_keypoints
from asl_nb.data.importers import import_mp_data
from asl_nb.simulation.corpus import simulate_corpus

ROOT = Path(__file__).resolve().parents[1]
LAYOUT = dict(columns=['pose xyz_', 'left_hand xyz', 'right_hand xyz'])
SCRIPTS = dict(
    keypoints=f'from asl_nb.data.keypoint_arrays import import_keypoints; import_keypoints(sys.argv[1], sys.argv[2], {LAYOUT!r})',
    mp_data='from asl_nb.data.importers import import_mp_data; import_mp_data(sys.argv[1], sys.argv[2])')
AGAIN = dict(keypoints=lambda source, out: import_keypoints(source, out, LAYOUT), mp_data=import_mp_data)
os.environ['ASL_NB_QUIET'] = '1'


@pytest.fixture(params=[*SCRIPTS])
def killed(tmp_path, request):
    "An import that was killed in the middle: its kind, its source, where it was to go, and the folder that it left."
    kind, source, out = request.param, tmp_path/'source', tmp_path/'out'/'corpus'
    out.parent.mkdir()
    values = np.random.default_rng(0).random((60, 258), np.float32)
    if kind == 'keypoints':
        source = tmp_path/'takes.npz'
        np.savez(source, X=np.repeat(values[None], 150, 0), sign=np.array(['up']*150))
    else:
        for take in range(150):
            (source/'up'/str(take)).mkdir(parents=True)
            for t, v in enumerate(values[:3]): np.save(source/f'up/{take}/{t}.npy', v)
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])
    child = subprocess.Popen([sys.executable, '-c', 'import sys; ' + SCRIPTS[kind], source, out], env=os.environ | {'PYTHONPATH': path})
    while child.poll() is None and not list(out.parent.rglob('*.parquet')): time.sleep(.002)
    child.kill()
    assert child.wait() == -signal.SIGKILL, 'it was through before it could be killed'
    left = [p for p in out.parent.iterdir() if p.is_dir()]
    assert len(left) == 1 and not out.exists()
    return kind, source, out, left[0]


def test_the_next_import_cleans_up(killed):
    kind, source, out, left = killed
    corpus = AGAIN[kind](source, out)
    assert os.listdir(out.parent) == ['corpus'] and len(corpus) == len(Corpus.read(out)) == 150


def test_whatever_makes_a_corpus_cleans_up(killed, tmp_path):
    _, _, out, left = killed
    simulate_corpus(out, 2, 2, 1, workers=1)
    assert os.listdir(out.parent) == ['corpus']


@pytest.mark.parametrize('where', ['M', '.', 'M/new', 'notes'])
def test_neither_takes_nor_notes_are_buried(tmp_path, where):
    (tmp_path/'M/up/0').mkdir(parents=True)
    np.save(tmp_path/'M/up/0/0.npy', np.zeros(258))
    (tmp_path/'notes').mkdir()
    (tmp_path/'notes/t.txt').write_text('years of work')
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(CorpusError, match='is no corpus|nothing was done'): import_mp_data(tmp_path/'M', tmp_path/where, overwrite=True)
    np.savez(tmp_path/'M/k.npz', X=np.zeros((1, 2, 258)), sign=np.array(['up']))
    if where in ('.', 'notes'):
        with pytest.raises(AslNbError, match='is no corpus|nothing was done'): import_keypoints(tmp_path/'M/k.npz', tmp_path/where, LAYOUT, overwrite=True)
    (tmp_path/'M/k.npz').unlink()
    assert sorted(tmp_path.rglob('*')) == before


def test_a_corpus_is_not_merged_into_itself_nor_over_notes(tmp_path):
    one, two = (simulate_corpus(tmp_path/n, 2, 2, 1, seed=k, workers=1) for k, n in enumerate('ab'))
    (tmp_path/'notes').mkdir()
    (tmp_path/'notes/t.txt').write_text('years of work')
    for out in (tmp_path/'a', tmp_path, tmp_path/'b/new', tmp_path/'notes'):
        with pytest.raises(CorpusError, match='is no corpus|nothing was done'): merge_corpora(out, one, two, overwrite=True)
    for out in (tmp_path, tmp_path/'notes'):
        with pytest.raises(CorpusError, match='is no corpus'): simulate_corpus(out, 2, 2, 1, workers=1, overwrite=True)
        with pytest.raises(CorpusError, match='is no corpus'): write_corpus(iter(one), out, overwrite=True)
    assert len(Corpus.read(one.root)) == len(Corpus.read(two.root)) == 4 and (tmp_path/'notes/t.txt').exists()
