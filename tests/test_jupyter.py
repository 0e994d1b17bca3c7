"""Notebooks as JupyterLab runs them: in a real kernel, where a figure is shown only while matplotlib is interactive.

`plt.rc_context` puts back every setting, `interactive` among them, which the kernel switches on while its first figure is
made. Whoever makes that figure inside of it sees no later one. So the package never uses it, nor does a notebook.
"""
import json, re
from pathlib import Path

import pytest

nbclient = pytest.importorskip('nbclient', reason='JupyterLab is not installed')
import nbformat

ROOT = Path(__file__).resolve().parents[1]
SETUP = '''import sys; sys.path.insert(0, {root!r})
import matplotlib.pyplot as plt, pandas as pd
from asl_nb.simulation.corpus import simulate_clip
from asl_nb.simulation.motion import make_signers
clip = simulate_clip('flatB_chin_arc_palm-in_1h', make_signers(1)[0])'''
FIRST = ['from asl_nb.view.skeleton import plot_strip; plot_strip(clip);',
         'from asl_nb.view.skeleton import plot_trajectories; plot_trajectories(clip);',
         'from asl_nb.view.skeleton import plot_timeline; plot_timeline(clip);',
         "from asl_nb.view.animation import visualize_data_distribution as show; show(pd.DataFrame({'sign': ['a', 'b']}));"]
LATER = 'plt.figure(); plt.plot([1, 2]);'


def figures(*cells):
    "How many figures a fresh kernel shows for each cell."
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbclient.NotebookClient(nb, timeout=120, kernel_name='python3').execute()
    return [sum('image/png' in o.get('data', {}) for o in c.outputs) for c in nb.cells]


@pytest.mark.parametrize('first', FIRST, ids=lambda code: re.search(r'import (\w+)', code)[1])
def test_figures_after_ours_are_shown(first):
    assert figures(SETUP.format(root=str(ROOT)), first, LATER, LATER) == [0, 1, 1, 1]


def test_nobody_uses_rc_context():
    code = {p: p.read_text(encoding='utf-8') for p in (ROOT/'asl_nb').rglob('*.py')}
    for p in (ROOT/'nbs').glob('*.ipynb'):
        cells = json.loads(p.read_text(encoding='utf-8'))['cells']
        code[p] = '\n'.join(''.join(c['source']) for c in cells if c['cell_type'] == 'code')
    assert not [p.name for p, source in sorted(code.items()) if re.search(r'\b(rc_context|style\.context)\(', source)]
