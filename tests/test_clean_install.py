"""`pip install` of the package alone in an empty environment: `import asl_nb` works by itself."""
import json
import os
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import distributions, files, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
IN_CI = pytest.mark.skipif(os.environ.get('CI') != 'true', reason='makes an environment and installs into it: set CI=true to run it')


@pytest.fixture
def clone(tmp_path):
    "A clone of the repository and an empty environment."
    subprocess.run(['git', 'clone', '-q', str(ROOT), str(tmp_path/'tree')], check=True)
    venv.create(tmp_path/'env', with_pip=True)
    return tmp_path/'tree', tmp_path/'env'/'bin'/'python'


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


def resolved(tree, python, tmp_path):
    """What `pip install -e .` would bring into an empty environment without constraints, {name: version}.

    Torch alone is held at the version that is here: its newest build may be gigabytes that say nothing about this package.
    """
    (tmp_path/'torch.txt').write_text(f'torch=={version("torch").split("+")[0]}\n')
    run(python, '-m', 'pip', 'install', '-q', '--dry-run', '--report', tmp_path/'report.json', '-c', tmp_path/'torch.txt', '-e', tree)
    found = [i['metadata'] for i in json.loads((tmp_path/'report.json').read_text())['install']]
    return {m['name']: m['version'] for m in found if m['name'] != 'asl_nb'}


def lend(name, site):
    "Link what a package has installed here into another environment, which is quicker than installing it again."
    for top in {f.parts[0] for f in files(name) if f.parts[0] not in ('..', '__pycache__')}:
        if not (site/top).exists(): (site/top).symlink_to(Path(sysconfig.get_paths()['purelib'])/top)


@IN_CI
def test_what_settings_ini_asks_for_is_enough(clone, tmp_path):
    "Without constraints pip finds versions that work together: the modules load, a sign is named, every command starts."
    tree, python = clone
    wanted = resolved(tree, python, tmp_path)
    assert {'numpy', 'torch', 'mediapipe', 'nbdev', 'jupyterlab'} <= {n.lower() for n in wanted}
    here = {d.metadata['Name'].lower().replace('_', '-'): d.version for d in distributions()}
    same = [n for n, v in wanted.items() if here.get(n.lower().replace('_', '-'), '').split('+')[0] == v.split('+')[0]]
    site = Path(run(python, '-c', 'import sysconfig; print(sysconfig.get_paths()["purelib"])').strip())
    for name in same: lend(name, site)
    others = [f'{n}=={v}' for n, v in wanted.items() if n not in same]
    print(f'{len(same)} packages as here, others: {" ".join(others) or "none"}')
    run(python, '-m', 'pip', 'install', '-q', '--no-deps', *others, '-e', tree)
    run(python, '-m', 'pip', 'check')
    run(python, '-c', '''if True:
        import asl_nb
        from pathlib import Path
        from asl_nb.models.registry import build_model
        from asl_nb.live.predictor import SignPredictor
        from asl_nb.data.video import Tracker
        with Tracker(): pass
        model = SignPredictor(build_model('LSTMPredictor', 2), {'a': 0, 'b': 1})
        assert len(model.predict(next(Path('tree/data/examples').glob('*.parquet')))) == 2''', cwd=tmp_path)
    for command in sorted((tmp_path/'env'/'bin').glob('asl_*')): run(command, '--help', cwd=tmp_path)


def test_nothing_installed_here_contradicts_another_package():
    "The tested versions fit each other and what settings.ini asks for."
    r = subprocess.run([sys.executable, '-m', 'pip', 'check'], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout
