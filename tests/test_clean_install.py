"""`pip install` of the package alone in an empty environment: `import asl_nb` works by itself."""
import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
IN_CI = pytest.mark.skipif(os.environ.get('CI') != 'true', reason='makes an environment and installs into it: set CI=true to run it')


@pytest.fixture
def clone(tmp_path):
    "A clone of the repository and an empty environment; gone afterwards, for they are large."
    subprocess.run(['git', 'clone', '-q', str(ROOT), str(tmp_path/'tree')], check=True)
    venv.create(tmp_path/'env', with_pip=True)
    yield tmp_path/'tree', tmp_path/'env'/'bin'/'python'
    shutil.rmtree(tmp_path, ignore_errors=True)


def run(*cmd, **kw):
    r = subprocess.run([str(c) for c in cmd], capture_output=True, text=True, **kw)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-4000:]
    return r.stdout


@IN_CI
def test_import_works_without_the_dependencies_being_imported(clone, tmp_path):
    tree, python = clone
    run(python, '-m', 'pip', 'install', '-q', '--no-deps', tree)
    code = 'import asl_nb, importlib.resources as r; print(asl_nb.__version__, len(list((r.files("asl_nb")/"configs").iterdir())))'
    number, configs = run(python, '-c', code, cwd=tmp_path).split()
    assert number.count('.') == 2 and int(configs) >= 3


@IN_CI
def test_what_settings_ini_asks_for_is_enough(clone, tmp_path):
    """`pip install -e .` without constraints gets versions that work together: the modules load, a sign is named, every command starts.

    Torch alone is held at the version that is here: its newest build may be gigabytes that say nothing about this package.
    """
    tree, python = clone
    (tmp_path/'torch.txt').write_text(f'torch=={version("torch").split("+")[0]}\n')
    run(python, '-m', 'pip', 'install', '-q', '-c', tmp_path/'torch.txt', '-e', tree)
    run(python, '-m', 'pip', 'check')
    run(python, '-c', '''if True:
        import asl_nb
        from pathlib import Path
        from asl_nb.models.base import build_model
        from asl_nb.predict import SignPredictor
        from asl_nb.video import Tracker
        with Tracker(): pass
        model = SignPredictor(build_model('LSTMPredictor', 2), {'a': 0, 'b': 1})
        assert len(model.predict(next(Path('tree/data/examples').glob('*.parquet')))) == 2''', cwd=tmp_path)
    for command in sorted((tmp_path/'env'/'bin').glob('asl_*')): run(command, '--help', cwd=tmp_path)


def test_nothing_installed_here_contradicts_another_package():
    "The tested versions fit each other and what settings.ini asks for."
    r = subprocess.run([sys.executable, '-m', 'pip', 'check'], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout
