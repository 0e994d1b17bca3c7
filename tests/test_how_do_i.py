"""Every command of the page *How do I …?* (nbs/how_do_i.ipynb), run in the order of the page, each answer with nothing but what the page names.

The people in the films are one: the photograph that matplotlib brings along, moved a little. MediaPipe is the real one.
"""
import json, re, shlex
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest

from asl_nb import cli, pack_corpus, read_recording, simulate_corpus, train

ROOT = Path(__file__).resolve().parents[1]
CELLS = [''.join(c['source']) for c in json.loads((ROOT/'nbs'/'how_do_i.ipynb').read_text(encoding='utf-8'))['cells']]
ANSWERS = {c.splitlines()[0].lstrip('# '): re.findall(r'^```(\w+)\n(.*?)^```', c, re.M | re.S) for c in CELLS if c.startswith('## ')}
MADE = {'Train on my own videos': 'MINE_RUN/best.safetensors', 'Add one sign': 'MORE_RUN/best.safetensors', "Train on Kaggle's data": 'out/report-RAW.html',
        'See what is confused': 'EVALUATION/confusions.csv', 'Import what others recorded': 'THEIRS/train.csv', 'Compare models': 'RUN_MEAN/best.safetensors',
        'Search settings': 'runs/lr-0.003/best.safetensors', 'Use several machines': 'FOLD_1/best.safetensors', 'Get landmarks only': 'film.parquet'}


def film(path, shift, frames=6):
    "A short film of somebody with a face and shoulders."
    picture = cv2.imread(str(Path(matplotlib.get_data_path())/'sample_data'/'grace_hopper.jpg'))
    h, w = picture.shape[:2]
    path.parent.mkdir(parents=True, exist_ok=True)
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 25, (w, h))
    for t in range(frames): out.write(cv2.warpAffine(picture, np.float32([[1, 0, shift + 2 * t], [0, 1, t]]), (w, h)))
    out.release()


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    "A folder with what the page takes for granted."
    place = tmp_path_factory.mktemp('how')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv('ASL_NB_QUIET', '1')
        simulate_corpus('RAW', n_signs=4, n_signers=6, clips_per_sign_per_signer=3, workers=1)
        film(Path('film.mp4'), 0)
        for k in range(10): film(Path('FILMS', f'person{k // 2}', ('hello', 'thanks')[k % 2], 'take.mp4'), 4 * k)
        for t in range(5):
            take = Path('MP_Data', 'hello', '0')
            take.mkdir(parents=True, exist_ok=True)
            np.save(take/f'{t}.npy', np.random.default_rng(t).random(1662))
        np.savez('takes.npz', values=np.random.default_rng(0).random((4, 9, 42)), label=np.array(['yes', 'no'] * 2))
        Path('layout.yaml').write_text("values: values\nsign: label\ncolumns: [right_hand xy]\n")
        yield place


@pytest.fixture
def here(place, monkeypatch, request):
    "That folder, with a pack and a run of two epochs unless an answer before has made them."
    monkeypatch.chdir(place)
    if not Path('PACK').exists(): pack_corpus('RAW', 'PACK', workers=1)
    if not Path('RUN').exists(): train('PACK', model='GRUPredictor', epochs=2, out='RUN')
    return place


def run_line(line):
    "A line of the page, in this process as its console script would run it."
    words = shlex.split(line, comments=True)
    assert words[0] in cli.__all__, f'no command of the package: {line}'
    assert getattr(cli, words[0])(words[1:]) == 0, line


def test_the_page_answers_everything_with_a_command():
    assert len(ANSWERS) == 12 and all(ANSWERS.values())
    links = re.findall(r'\]\((#[^)]+)\)', CELLS[1])
    assert links == ['#' + re.sub(r"[^a-z ]", '', q.lower()).replace(' ', '-') for q in ANSWERS]


@pytest.mark.parametrize('question', ANSWERS)
def test_answer(question, here):
    import matplotlib.pyplot as plt
    if question == "Train on Kaggle's data":                         # the page makes PACK and RUN itself, here once more from nothing
        for name in 'PACK', 'RUN': Path(name).rename(f'{name}.before')
    if question == 'Add one sign' and not Path('MINE').exists(): cli.asl_import(['videos', 'FILMS', 'MINE'])
    for language, block in ANSWERS[question]:
        if language == 'python': exec(compile(block, f'how_do_i: {question}', 'exec'), {'__name__': 'how_do_i'})
        else:
            for line in filter(None, block.splitlines()): run_line(line)
    plt.close('all')
    if question in MADE: assert Path(MADE[question]).exists()
    if question == 'Get landmarks only': assert read_recording('film.parquet').xyz.shape == (6, 543, 3)
