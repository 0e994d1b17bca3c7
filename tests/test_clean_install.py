"""`pip install` of the package alone, without constraints, in an empty environment: `import asl_nb` works by itself."""
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(os.environ.get('CI') != 'true', reason='makes an environment and installs into it: set CI=true to run it')
def test_import_works_without_the_dependencies_being_imported(tmp_path):
    venv.create(tmp_path/'env', with_pip=True)
    python = tmp_path/'env'/'bin'/'python'
    tree = tmp_path/'tree'
    subprocess.run(['git', 'clone', '-q', str(ROOT), str(tree)], check=True)
    subprocess.run([python, '-m', 'pip', 'install', '-q', '--no-deps', str(tree)], check=True)
    code = 'import asl_nb, importlib.resources as r; print(asl_nb.__version__, len(list((r.files("asl_nb")/"configs").iterdir())))'
    r = subprocess.run([python, '-c', code], capture_output=True, text=True, cwd=tmp_path)
    assert r.returncode == 0, r.stderr
    version, configs = r.stdout.split()
    assert version.count('.') == 2 and int(configs) >= 3


def test_nothing_installed_here_contradicts_another_package():
    "The tested versions fit each other and what settings.ini asks for."
    r = subprocess.run([sys.executable, '-m', 'pip', 'check'], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout
