"""What importing the package brings along, and what it must not."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {'torch', 'mediapipe', 'cv2', 'tensorflow', 'ray', 'mlflow'}
FIRST_WITH_MORE_THAN_TORCH = 39


def loaded(module):
    "The heavy packages that a fresh process holds after importing a module."
    code = f"import sys, {module}; print(' '.join(m for m in {sorted(HEAVY)} if m in sys.modules))"
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return set(r.stdout.split())


def modules():
    "(number, module) of every notebook that exports one."
    for path in sorted((ROOT/'nbs').glob('[0-9]*.ipynb')):
        text = ''.join(''.join(c['source']) + '\n' for c in json.loads(path.read_text(encoding='utf-8'))['cells'])
        if '#| default_exp' in text: yield int(path.name[:2]), path.stem.split('_', 1)[1]


def test_the_package_itself_imports_nothing_heavy():
    assert loaded('asl_nb') == set()


@pytest.mark.parametrize('number, module', list(modules()))
def test_a_module_imports_no_more_than_its_place_allows(number, module):
    allowed = set() if number < 15 else {'torch'} if number < FIRST_WITH_MORE_THAN_TORCH else HEAVY
    assert loaded(f'asl_nb.{module}') <= allowed


@pytest.mark.parametrize('module', ['video', 'predict', 'cli'])
def test_the_ways_in_stay_light(module):
    "Asking for --help, or for the predictor, must not wait for MediaPipe, OpenCV or TensorFlow."
    assert loaded(f'asl_nb.{module}') <= {'torch'}
