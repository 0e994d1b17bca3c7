"""What `from asl_nb import …` gives, and what it must not cost."""
import ast, inspect, json, os, pydoc, subprocess, sys
from pathlib import Path

import pytest

import asl_nb

ROOT = Path(__file__).resolve().parents[1]
NAMES = [(n, h) for n, h in asl_nb._HOMES.items()]


def fresh(code):
    "What a line printed in a Python of its own."
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, env=os.environ | {'OMP_NUM_THREADS': '1'})
    assert r.returncode == 0, r.stderr
    return r.stdout


@pytest.mark.parametrize('name, home', NAMES)
def test_a_name_is_the_one_of_its_module(name, home):
    thing = getattr(asl_nb, name)
    assert inspect.getmodule(thing).__name__ == f'asl_nb.{home}' and thing.__doc__


def test_some_fifty_names_and_no_more():
    assert 40 <= len(asl_nb.__all__) <= 70 and len(set(asl_nb.__all__)) == len(asl_nb.__all__)


def test_dir_completion_and_help_show_them():
    assert set(asl_nb.__all__) <= set(dir(asl_nb))
    said = pydoc.plain(pydoc.render_doc(asl_nb))
    table = asl_nb.__doc__.split()
    for name in asl_nb.__all__: assert name in said and name in table, name
    from IPython.core.completer import IPCompleter, provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell
    completer = IPCompleter(shell=InteractiveShell(), namespace=dict(asl_nb=asl_nb), use_jedi=False)
    with provisionalcompleter(): found = {c.text.rpartition('.')[2] for c in completer.completions('asl_nb.pack_', 12)}
    assert found == {'pack_corpus'}


def test_a_name_that_is_not_there_is_answered_with_one_that_is():
    with pytest.raises(AttributeError, match="no attribute 'trian', did you mean 'train'"): asl_nb.trian
    with pytest.raises(ImportError, match='trian'): exec('from asl_nb import trian')


def test_a_package_comes_through_the_door_too():
    assert fresh('from asl_nb import data; from asl_nb.data import corpus; import asl_nb; print(corpus.Corpus is asl_nb.Corpus)') == 'True\n'


def test_star_gives_them_all():
    names = ast.literal_eval(fresh('from asl_nb import *; print([n for n in dir() if n[0] != "_"])'))
    assert set(names) == set(asl_nb.__all__)


LIGHT = 'pandas', 'pytorch_lightning', 'lightning_fabric', 'matplotlib', 'mediapipe', 'cv2', 'tensorflow', 'sklearn', 'scipy'


def test_a_model_is_used_without_what_made_it():
    assert json.loads(fresh(f'import json, sys; from asl_nb import SignPredictor; print(json.dumps([m for m in {LIGHT} if m in sys.modules]))')) == []


def test_the_door_alone_loads_nothing():
    assert json.loads(fresh('import json, sys; import asl_nb; print(json.dumps([m for m in sys.modules if m.startswith("asl_nb.") or m in ("torch", "numpy")]))')) == []
