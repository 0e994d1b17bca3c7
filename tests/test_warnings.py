"""What is no error and must not pass in silence: it is said on stderr by the commands, in a line of its own."""
import io
from contextlib import redirect_stderr

import cv2
import numpy as np
import pandas as pd
import pytest

from asl_nb.cli import shell, spoken
from asl_nb.cli import asl_pack, asl_predict
from asl_nb.core.errors import progress
from asl_nb.data.video import read_frames
from asl_nb.models.registry import build_model
from asl_nb.models.files import save_model
from asl_nb.data.pack import Pack, pack_corpus
from asl_nb.data.pack_reader import PackError
from asl_nb.data.corpus import Corpus, write_corpus
from asl_nb.data.recording import Recording, write_recording

SIGNS = {'fist': 0, 'flat': 1}


@pytest.fixture(scope='module')
def model_file(tmp_path_factory):
    return save_model(build_model('MeanPoolPredictor', 2, hidden_dim=8), tmp_path_factory.mktemp('model')/'m.safetensors', SIGNS)


@pytest.mark.parametrize('xyz, words', [
    (np.full((4, 543, 3), np.nan), 'nothing of what the model looks at was seen'),
    (np.zeros((4, 543, 3)), '100% of its points lie at exactly 0'),
    (np.full((4, 543, 3), 640.), 'coordinates as large as 640')])
def test_a_doubtful_clip(model_file, tmp_path, xyz, words):
    clip = write_recording(Recording(xyz), tmp_path/'clip.parquet')
    status, out, err = shell(asl_predict, model_file, clip)
    assert status == 0 and 'fist' in out
    assert err.startswith(f'asl_predict: note: {clip}: {words}') and err.count('\n') == 1


def test_a_sound_clip(model_file, tmp_path):
    clip = write_recording(Recording(np.random.default_rng(0).random((4, 543, 3))), tmp_path/'clip.parquet')
    assert shell(asl_predict, model_file, clip)[2] == ''


def test_one_file_under_two_signers(tmp_path):
    "The table of a corpus names its clips a second time, by another signer: packed, and said."
    rng, root = np.random.default_rng(0), tmp_path/'raw'
    clips = [Recording(rng.random((4, 543, 3)), sign=s, signer='Ada') for s in SIGNS]
    table = write_corpus(clips, root).clips
    again = table.assign(signer='424242', sequence_id=table.sequence_id + 9)
    Corpus(root, pd.concat([table, again]), SIGNS).save()
    for _ in range(2):      # when it is packed, and when it is found to be packed
        status, _, err = shell(asl_pack, root, tmp_path/'pack')
        assert status == 0 and 'note: ' in err
        assert '2 recordings are there under two signers or more (first: Ada (0) and 424242 (9)): a split by signer leaks' in err


def test_damage_inside_the_array(tmp_path):
    clip = Recording(np.random.default_rng(0).random((9, 543, 3)), sign='fist', signer='Ada')
    pack = pack_corpus(write_corpus([clip], tmp_path/'raw'), tmp_path/'pack', show_progress=False)
    file = pack.verify().path/'landmarks.npy'
    data = bytearray(file.read_bytes())
    data[len(data)//2] ^= 1
    file.write_bytes(data)
    with pytest.raises(PackError, match='are not those that were written'): Pack.open(pack.path).verify()


def test_a_note_has_a_line_of_its_own(model_file, tmp_path, monkeypatch):
    "A photograph that calls itself a film is answered with a note, not glued to the progress bar."
    monkeypatch.delenv('ASL_NB_QUIET', raising=False)
    out = cv2.VideoWriter(str(tmp_path/'still.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 12, (96, 64))
    out.write(np.full((64, 96, 3), 90, np.uint8))
    out.release()
    film = tmp_path/'still.mp4'
    err = io.StringIO()
    with redirect_stderr(err), spoken('asl_predict'):
        for _ in progress(read_frames(film), 'film', 1, disable=False): pass
    notes = [line for line in err.getvalue().splitlines() if 'note: ' in line]
    assert [line.split('\r')[-1] for line in notes] == [f'asl_predict: note: {film} is a still picture, one frame long: there is no movement in it']
