"""What is no error and must not pass in silence: it is said on stderr by the commands, in a line of its own."""
import cv2
import numpy as np
import pytest

from asl_nb.as_command import shell
from asl_nb.cli import asl_predict
from asl_nb.models.base import build_model, save_model
from asl_nb.recordings import Recording, write_recording

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
