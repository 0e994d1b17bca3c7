"""The repository's own tools: each must be able to fail."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT/'tools'))

import check  # noqa: E402
import check_order  # noqa: E402
import examples  # noqa: E402


def notebook(path, *sources):
    "Write a notebook of code cells."
    cells = [dict(cell_type='code', id=f'c{i}', metadata={}, outputs=[], execution_count=None, source=s.splitlines(True))
             for i, s in enumerate(sources)]
    path.write_text(json.dumps(dict(cells=cells, metadata={}, nbformat=4, nbformat_minor=5)), encoding='utf-8')


LATE = [
    'import asl_nb.late', 'import asl_nb.late as l', 'from asl_nb.late import f', 'from asl_nb import late', 'from asl_nb import (a,\n  late as l)',
    'def f():\n    from asl_nb.late import g', 'from importlib import import_module\nimport_module("asl_nb.late")',
    'import_module(".late", "asl_nb")', 'import_module(".late", package="asl_nb")', 'import_module("..late", "asl_nb.models")',
    '__import__("asl_nb.late")', 'from .late import f', 'from . import late',
    # strings that are run, here or by another Python
    'exec("import asl_nb.late")', 'subprocess.run([sys.executable, "-c", "import sys; from asl_nb.late import f; f()"])',
    'subprocess.run([sys.executable, "-m", "asl_nb.late"])', 'code = """\n    import os\n    def f():\n        import asl_nb.late\n"""',
    'run("import importlib; importlib.import_module(\'asl_nb.late\')")', 'os.system(\'python -c "from asl_nb import early, late"\')',
    'code = f"import asl_nb.late; print({x})"', 'code = f"from asl_nb.late import {x}"', 'code = f"{a}\\nfrom asl_nb.late import f"',
    'import_module(f"asl_nb.late")', 'exec(f"{x} = 1; import asl_nb.late as {x} ?")', 'exec("exec(\'import asl_nb.late\')")',
    # shell lines and magics
    '%matplotlib inline\n!ls\nimport asl_nb.late', '!python -c "import asl_nb.late"', 'out = !python -c "import asl_nb.late"', '!python -m asl_nb.late',
    '!python ../asl_nb/late.py', '%run ../asl_nb/late.py', '%run -m asl_nb.late', '%time import asl_nb.late', '%%time\nfrom asl_nb.late import f',
    '%%bash\npython -c "import asl_nb.late"', 'for i in 1, 2:\n    !python -c "import asl_nb.late"']


@pytest.mark.parametrize('line', LATE)
def test_order_sees_an_import_from_a_later_notebook(tmp_path, line):
    notebook(tmp_path/'10_early.ipynb', '#| default_exp early', line)
    notebook(tmp_path/'20_late.ipynb', '#| default_exp late', 'import asl_nb.early')
    assert list(check_order.breaches(tmp_path)) == [('10_early.ipynb', 'late')]


@pytest.mark.parametrize('line', ['from .late import f', 'from . import late', 'from ..models.late import f', 'from asl_nb.models import late',
                                  'import_module(".late", __package__)', 'import_module(".models.late", "asl_nb")'])
def test_order_sees_a_relative_import_inside_a_package(tmp_path, line):
    notebook(tmp_path/'30_models.early.ipynb', '#| default_exp models.early', line)
    notebook(tmp_path/'31_models.late.ipynb', '#| default_exp models.late')
    notebook(tmp_path/'40_late.ipynb', '#| default_exp other')
    assert list(check_order.breaches(tmp_path)) == [('30_models.early.ipynb', 'models.late')]


@pytest.mark.parametrize('line, what', [('%run 20_late.ipynb', '20_late.ipynb'), ('!asl_train data/pack --out x', 'cli'), ('!cd x && asl_pack a b', 'cli')])
def test_order_sees_notebooks_and_commands(tmp_path, line, what):
    notebook(tmp_path/'10_early.ipynb', '#| default_exp early', line)
    notebook(tmp_path/'20_late.ipynb', '#| default_exp cli')
    assert list(check_order.breaches(tmp_path)) == [('10_early.ipynb', what)]


@pytest.mark.parametrize('line', [
    '"a word on asl_nb.late"', 'def f():\n    "import asl_nb.late does the same later."', '# import asl_nb.late', 'print("see asl_nb.late")',
    'REGISTRY = {"x": "asl_nb.late:X"}', '"asl_nb.late.f"', 'x = "data/asl_train"', '!ls asl_nb', 'raise ValueError(f"{x}: later in the course, in asl_nb.late")', 'late = {"late": 3}["late"]',
    'from asl_nb.early import late', 'from asl_nb.late_ones import f', 'import_module(".late", "other")'])
def test_order_lets_words_pass(tmp_path, line):
    notebook(tmp_path/'10_early.ipynb', '#| default_exp early', line)
    notebook(tmp_path/'20_late.ipynb', '#| default_exp late')
    assert not list(check_order.breaches(tmp_path))


@pytest.mark.parametrize('line', ['from asl_nb import train', 'from asl_nb import Corpus, train as fit', 'import asl_nb\nasl_nb.train', 'import asl_nb as nb\nnb.train(pack)',
                                  'from asl_nb import *', 'exec("from asl_nb import train")', 'from asl_nb.training import trainer', 'import asl_nb.training.trainer as t'])
def test_order_sees_through_the_front_door(tmp_path, line):
    notebook(tmp_path/'10_early.ipynb', '#| default_exp early', *line.split('\n'))
    notebook(tmp_path/'60_training.trainer.ipynb', '#| default_exp training.trainer', 'from asl_nb import train')
    assert list(check_order.breaches(tmp_path)) == [('10_early.ipynb', 'training.trainer')]


def test_order_lets_the_front_door_hand_out_what_came_before(tmp_path):
    notebook(tmp_path/'16_data.corpus.ipynb', '#| default_exp data.corpus')
    notebook(tmp_path/'60_training.trainer.ipynb', '#| default_exp training.trainer', 'import asl_nb', 'from asl_nb import Corpus; asl_nb.train')
    assert not list(check_order.breaches(tmp_path))


def test_order_wants_a_number_for_each_notebook(tmp_path):
    for name in '10_a', '10_b': notebook(tmp_path/f'{name}.ipynb')
    assert list(check_order.breaches(tmp_path)) == [('10_b.ipynb', '10_a.ipynb (the same number)')]


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
    from asl_nb.data.recording import read_recording
    made, kept = list(examples.make(tmp_path)), sorted(examples.FOLDER.glob('*'))
    assert sorted(p.name for p in made) == [p.name for p in kept]
    for path in made:
        new, old = read_recording(path), read_recording(examples.FOLDER/path.name)
        np.testing.assert_allclose(new.xyz, old.xyz, atol=1e-4, err_msg='run tools/examples.py')


def test_cells_run_with_what_is_installed_and_the_others_are_counted(monkeypatch, tmp_path):
    (tmp_path/'nbs').mkdir()
    notebook(tmp_path/'nbs'/'10_x.ipynb', '#| slow\n1', '#| keras\n1', '#| real\n1', '#| export\n1', '#| gpu\n1', '#| extra\n1', '#| keras\n#| real\n1', '#| new\n1')
    (tmp_path/'settings.ini').write_text('[DEFAULT]\ntst_flags = slow extra keras ray real gpu new\n')
    monkeypatch.setattr(check, 'ROOT', tmp_path)
    monkeypatch.setattr(check, 'skipped', [])
    monkeypatch.setattr(check, 'CI', True)
    monkeypatch.setitem(check.ENV, 'ASL_REAL_DATA', '')
    monkeypatch.setattr(check, 'sh', lambda *cmd: (1, ''))
    monkeypatch.setattr(check, 'find_spec', lambda m: None if m in ('tensorflow', 'ray') else m)
    assert check.flags_here() == ['slow', 'extra']
    assert check.skipped == ['2 cells flagged keras: tensorflow not installed', '2 cells flagged real: ASL_REAL_DATA does not name the folder of real recordings',
                             '1 cells flagged gpu: torch finds no GPU', '1 cells flagged new: tools/check.py does not know the flag new']
    monkeypatch.setitem(check.ENV, 'ASL_REAL_DATA', str(tmp_path))
    monkeypatch.setattr(check, 'sh', lambda *cmd: (0, ''))
    assert check.flags_here() == ['slow', 'extra', 'real', 'gpu']
