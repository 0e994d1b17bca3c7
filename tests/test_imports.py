"""What importing the package brings along, and what it must not.

Each module is imported as the first of the package in a process of its own. Starting Python and importing NumPy and PyTorch once for
each of them would take minutes; so a process that has them, and nothing of ours, is copied (forked) for each.
"""
import json, os, subprocess, sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {'torch', 'mediapipe', 'cv2', 'tensorflow', 'ray', 'mlflow'}
FIRST_WITH_TORCH, FIRST_WITH_MORE = 29, 80
LIGHT = ['numpy', 'pandas', 'pyarrow.parquet', 'pyarrow.csv', 'pydantic', 'ruamel.yaml', 'joblib', 'tqdm', 'fastcore.basics', 'matplotlib.pyplot', 'scipy.stats', 'sklearn.cluster']
WITH_TORCH = [*LIGHT, 'torch', 'torchmetrics', 'pytorch_lightning']             # what many modules import; not our own
WITH_KERAS = [*WITH_TORCH, 'tensorflow', 'keras']                               # and what the Keras twins import

FORKS = '''if True:
    import importlib, json, os, sys, traceback
    before, modules, heavy = (json.loads(a) for a in sys.argv[1:])
    for name in before: importlib.import_module(name)
    assert not [m for m in sys.modules if m.startswith('asl_nb')]
    for module in modules:
        ours, theirs = os.pipe()
        if pid := os.fork():
            os.close(theirs)
            with os.fdopen(ours) as f: said = f.read()
            status = os.waitpid(pid, 0)[1]
            print(json.dumps([module, said or f'ended with status {status}']), flush=True)
            continue
        try:
            importlib.import_module(module)
            said = ' '.join(['imported', *(m for m in heavy if m in sys.modules)])
        except BaseException: said = traceback.format_exc()
        os.write(theirs, said.encode())
        os._exit(0)
'''


def loaded(*modules, before=()):
    "{module: the heavy packages that a process holds after importing it, or the error}."
    args = [json.dumps(a) for a in ([*before], modules, sorted(HEAVY))]
    r = subprocess.run([sys.executable, '-c', FORKS, *args], capture_output=True, text=True, cwd=ROOT, env=os.environ | {'OMP_NUM_THREADS': '1'})
    assert r.returncode == 0, r.stderr
    said = dict(json.loads(line) for line in r.stdout.splitlines())
    return {m: set(s.split()[1:]) if s.startswith('imported') else s for m, s in said.items()}


def modules():
    "(number, module) of every notebook that exports one."
    for path in sorted((ROOT/'nbs').glob('[0-9]*.ipynb')):
        text = ''.join(''.join(c['source']) + '\n' for c in json.loads(path.read_text(encoding='utf-8'))['cells'])
        if '#| default_exp' in text: yield int(path.name[:2]), 'asl_nb.' + path.stem.split('_', 1)[1]


@pytest.fixture(scope='module')
def found():
    "What every module brings along."
    light = [m for n, m in modules() if n < FIRST_WITH_TORCH]
    twins = [m for _, m in modules() if m.startswith('asl_nb.keras.')]
    others = [m for _, m in modules() if m not in {*light, *twins}]
    return loaded(*light, before=LIGHT) | loaded(*others, before=WITH_TORCH) | loaded(*twins, before=WITH_KERAS)


def test_the_package_itself_imports_nothing_heavy():
    assert loaded('asl_nb') == {'asl_nb': set()}


@pytest.mark.parametrize('number, module', list(modules()))
def test_a_module_imports_no_more_than_its_place_allows(found, number, module):
    assert isinstance(found[module], set), found[module]
    assert found[module] <= (set() if number < FIRST_WITH_TORCH else {'torch'} if number < FIRST_WITH_MORE else HEAVY)


def test_the_twins_alone_bring_tensorflow(found):
    brings = {m for m, heavy in found.items() if 'tensorflow' in heavy}
    assert brings and all(m.startswith('asl_nb.keras.') for m in brings)


@pytest.mark.parametrize('module', ['asl_nb.data.video', 'asl_nb.data.video_corpus', 'asl_nb.live.predictor', 'asl_nb.cli'])
def test_the_ways_in_stay_light(found, module):
    "Asking for --help, or for the predictor, must not wait for MediaPipe, OpenCV or TensorFlow."
    assert found[module] <= {'torch'}


@pytest.mark.parametrize('module', ['asl_nb.data.video', 'asl_nb.data.video_corpus', 'asl_nb.cli'])
def test_and_these_do_without_torch(module):
    assert loaded(module) == {module: set()}


def test_an_error_and_a_heavy_package_are_seen():
    assert 'ModuleNotFoundError' in loaded('asl_nb.no_such')['asl_nb.no_such'] and loaded('cv2')['cv2'] == {'cv2'}


def test_the_switch_of_frameworks_fetches_its_loader():
    "In a process in which nobody has imported the Keras twins."
    pytest.importorskip('tensorflow', reason='the extra keras is not installed')
    code = '''if True:
        import torch
        from asl_nb.data.dataset import get_dataloader, get_dataset
        class Pairs(list): lengths = [3, 2]
        pairs = Pairs([(torch.zeros(3, 4, 2), 0), (torch.ones(2, 4, 2), 1)])
        loader = get_dataloader(pairs, 2, shuffle=False, dl_framework='tensorflow')
        (x, mask), y = next(iter(loader))
        print(type(loader).__name__, tuple(x.shape), y.numpy().tolist(), get_dataset(loader) is not None)
    '''
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, env=os.environ | {'TF_CPP_MIN_LOG_LEVEL': '3'})
    assert r.stdout == 'DatasetWithLen (2, 3, 4, 2) [0, 1] True\n', r.stderr[-2000:]
