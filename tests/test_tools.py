"""The repository's own tools: each must be able to fail."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT/'tools'))

import check_order  # noqa: E402
import examples  # noqa: E402


def notebook(path, *sources):
    "Write a notebook of code cells."
    cells = [dict(cell_type='code', id=f'c{i}', metadata={}, outputs=[], execution_count=None, source=s.splitlines(True))
             for i, s in enumerate(sources)]
    path.write_text(json.dumps(dict(cells=cells, metadata={}, nbformat=4, nbformat_minor=5)), encoding='utf-8')


@pytest.mark.parametrize('line', [
    'import asl_nb.late', 'import asl_nb.late as l', 'from asl_nb.late import f', 'from asl_nb import late',
    'def f():\n    from asl_nb.late import g', 'from importlib import import_module\nimport_module("asl_nb.late")',
    '__import__("asl_nb.late")', 'REGISTRY = {"x": "asl_nb.late:X"}', 'from .late import f', 'from . import late',
    '%matplotlib inline\n!ls\nimport asl_nb.late'])
def test_order_sees_an_import_from_a_later_notebook(tmp_path, line):
    notebook(tmp_path/'10_early.ipynb', '#| default_exp early', line)
    notebook(tmp_path/'20_late.ipynb', '#| default_exp late', 'import asl_nb.early')
    assert list(check_order.breaches(tmp_path)) == [('10_early.ipynb', 'late')]


def test_order_lets_the_right_way_round_pass(tmp_path):
    notebook(tmp_path/'10_early.ipynb', '#| default_exp early', 'import numpy')
    notebook(tmp_path/'20_late.ipynb', '#| default_exp late', 'from asl_nb.early import f')
    assert not list(check_order.breaches(tmp_path))


def run_notebook(path, *flags):
    return subprocess.run([sys.executable, ROOT/'tools'/'run_notebooks.py', *flags, path], capture_output=True, text=True)


def test_the_runner_stores_outputs_once_and_for_all(tmp_path):
    path = tmp_path/'10_x.ipynb'
    notebook(path, 'import sys; print("to stderr", file=sys.stderr); 1 + 1', '#| slow\n3 / 0', 'object()')
    assert run_notebook(path).returncode == 0
    first = path.read_bytes()
    cells = json.loads(first)['cells']
    assert [''.join(o['data']['text/plain']) for o in cells[0]['outputs']] == ['2']
    assert cells[1]['outputs'] == [] and '0x' not in json.dumps(cells[2]['outputs'])
    assert run_notebook(path).returncode == 0 and path.read_bytes() == first


def test_the_runner_fails_on_a_failing_cell_and_leaves_the_notebook_alone(tmp_path):
    path = tmp_path/'10_x.ipynb'
    notebook(path, '#| slow\n3 / 0')
    before = path.read_bytes()
    r = run_notebook(path, '--flags', 'slow')
    assert r.returncode == 1 and 'ZeroDivisionError' in r.stderr and path.read_bytes() == before


def test_the_examples_are_what_their_command_makes(tmp_path):
    import numpy as np
    from asl_nb.recordings import read_recording
    made, kept = list(examples.make(tmp_path)), sorted(examples.FOLDER.glob('*'))
    assert sorted(p.name for p in made) == [p.name for p in kept]
    for path in made:
        new, old = read_recording(path), read_recording(examples.FOLDER/path.name)
        np.testing.assert_allclose(new.xyz, old.xyz, atol=1e-4, err_msg='run tools/examples.py')
