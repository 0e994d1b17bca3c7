"Exploring a genuine pack, and a corpus on several processes, as the notebooks 14 promise."
import os

import pandas as pd
import pytest

os.environ.setdefault('ASL_NB_QUIET', '1')


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
    from asl_nb.simulation.corpus import simulate_corpus
    return simulate_corpus(tmp_path_factory.mktemp('explore')/'raw', n_signs=4, n_signers=4,
                           clips_per_sign_per_signer=2, style='ragged', workers=1)


@pytest.fixture(scope='module')
def pack(corpus):
    from asl_nb.data.pack import pack_corpus
    return pack_corpus(corpus, corpus.root.parent/'pack', workers=1, show_progress=False)


def test_a_pack_has_the_figures_of_its_corpus(corpus, pack):
    from asl_nb.exploration.statistics import FIGURES, clip_statistics
    same = [f for f in FIGURES if f not in ('first_frame', 'wrist_z')]
    a, b = clip_statistics(corpus), clip_statistics(pack)
    pd.testing.assert_frame_equal(a[same], b[same])
    assert list(a.sign) == list(b.sign) and list(a.signer) == list(b.signer)
    assert b.wrist_z.isna().all() and (b.first_frame == -1).all()


def test_the_index_of_a_pack_is_enough_for_lengths_and_missing_parts(corpus, pack):
    from asl_nb.exploration.statistics import clip_statistics
    from asl_nb.exploration.plots import count_clips, length_stats, missing_stats
    stats = clip_statistics(corpus)
    for data in (pack, pack.clips):
        for by in (None, 'sign', 'signer'):
            pd.testing.assert_frame_equal(length_stats(data, by), length_stats(stats, by))
            pd.testing.assert_frame_equal(missing_stats(data, by), missing_stats(stats, by))
    pd.testing.assert_series_equal(count_clips(pack), count_clips(corpus))
    pd.testing.assert_frame_equal(length_stats(corpus, 'sign'), length_stats(stats, 'sign'))


def test_exploring_a_pack(pack):
    import matplotlib
    matplotlib.use('Agg')
    import matplotlib.pyplot as plt
    from asl_nb.exploration.published import explore
    look = explore(pack)
    assert len(look.figures) == 9 and len(look.stats) == len(pack)
    plt.close('all')


def test_processes_change_nothing(corpus):
    from asl_nb.exploration.statistics import calculate_avg_landmark_positions, clip_statistics
    pd.testing.assert_frame_equal(clip_statistics(corpus, workers=1),
                                  clip_statistics(corpus, workers=2))
    one, two = (calculate_avg_landmark_positions(corpus, workers=w) for w in (1, 2))
    for a, b in zip(one, two, strict=True):
        for part in a: pd.testing.assert_frame_equal(pd.DataFrame(a[part]), pd.DataFrame(b[part]))
