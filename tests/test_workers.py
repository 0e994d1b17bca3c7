"""Loading with worker processes that start afresh: they import the classes of the package, so this cannot live in a notebook."""
import pickle

import numpy as np
import pytest

from asl_nb.data.dataset import ASL_DATASET, to_PT_DataLoader
from asl_nb.data.pack import pack_corpus
from asl_nb.simulation.corpus import simulate_corpus


@pytest.fixture(scope='module')
def pack(tmp_path_factory):
    tmp = tmp_path_factory.mktemp('pack')
    corpus = simulate_corpus(tmp/'raw', n_signs=3, n_signers=3, clips_per_sign_per_signer=3, workers=1)
    return pack_corpus(corpus, tmp/'pack', workers=1, show_progress=False)


@pytest.mark.parametrize('start', ['fork', 'spawn'])
def test_workers_give_the_same_batches_as_none(pack, start):
    ds = ASL_DATASET(pack)
    alone = to_PT_DataLoader(ds, 8, seed=3, bucket=True)
    helped = to_PT_DataLoader(ds, 8, seed=3, bucket=True, num_workers=2, multiprocessing_context=start)
    for a, b in zip(alone, helped, strict=True):
        for x, y in zip(a, b): np.testing.assert_array_equal(x, y)


def test_a_pickled_dataset_holds_no_landmarks(pack):
    ds = ASL_DATASET(pack)
    ds[0]                                           # the memory map is open now
    sent = pickle.dumps(ds)
    assert len(sent) < pack.landmarks.nbytes / 20
    np.testing.assert_array_equal(pickle.loads(sent)[4][0], ds[4][0])
