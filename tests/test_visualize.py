"Films of signs where they are hard to keep: six people in a notebook's budget, and a disk that is full."
import base64, os, re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from conftest import needed

os.environ.setdefault('ASL_NB_QUIET', '1')


@pytest.fixture(scope='module')
def film():
    "Six people, 48 frames."
    from asl_nb.data.recording import Recording
    from asl_nb.simulation.motion import make_signers
    from asl_nb.simulation.phonology import make_signs
    from asl_nb.simulation.corpus import simulate_clip
    from asl_nb.view.animation import animate
    sign, clips = make_signs(4)[3], []
    for seed, who in enumerate(make_signers(6)):
        xyz = simulate_clip(sign, who, seed=seed, style='ragged').xyz
        clips.append(Recording(xyz[np.linspace(0, len(xyz) - 1, 48).round().astype(int)], fps=24))
    return animate(clips, title='a sign')


def test_six_people_keep_their_48_frames(film):
    "Before: every fourth frame was shown, and nothing said so."
    from asl_nb.view.animation import MAX_KB
    shown = film._repr_html_()
    assert len(shown) <= MAX_KB*1000
    assert ' of 48 frames' not in shown
    gif = base64.b64decode(re.search('base64,([^"]+)', shown)[1])
    assert Image.open(BytesIO(gif)).n_frames > 40    # frames in which nothing moves are joined


@pytest.mark.parametrize('kind', ['gif', 'html', 'mp4'])
def test_a_full_disk_is_a_write_error(film, kind, tmp_path, full_disk):
    from asl_nb.core.errors import WriteError
    from asl_nb.view.animation import export_animation
    if kind == 'mp4': needed('a film as .mp4', 'ffmpeg')
    with full_disk(4000), pytest.raises(WriteError, match='was not written'):
        export_animation(film, tmp_path/f'film.{kind}')
    assert list(tmp_path.iterdir()) == []
