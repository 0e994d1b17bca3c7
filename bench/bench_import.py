"""What starting costs: the package, its predictor and a command, each in fresh processes in turn with the code of before the move to packages.

The code of before is checked out of this repository's history into a temporary folder; without the history these rows are left out.
"""
import os, resource, statistics, subprocess, sys, tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEFORE = '60d6175'      # the last commit with one flat package


def seconds(code, root=ROOT):
    "Processor time of a fresh Python that runs a line with the package of a checkout, its start included."
    def used(): return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    start = used()
    subprocess.run([sys.executable, '-c', code], check=True, cwd=root, env=os.environ | {'PYTHONPATH': str(root), 'OMP_NUM_THREADS': '1'},
                   stdout=subprocess.DEVNULL)
    return used() - start


def ratio(a, b, repeats):
    "Median of pairs, after a first pair that fills the caches."
    return round(statistics.median([a() / b() for _ in range(repeats + 1)][1:]), 3)


def row(name, value, target, repeats):
    return dict(name=name, value=value, unit='×', target=f'≤ {target:g}', met=value <= target,
                note=f'processor time, median of {repeats} pairs of fresh processes, interpreter start included')


def run(real=None, repeats=7):
    rows = [row('import asl_nb / import numpy, pandas', ratio(lambda: seconds('import asl_nb'), lambda: seconds('import numpy, pandas'), 15), 1.5, 15)]
    with tempfile.TemporaryDirectory() as tmp:
        old = Path(tmp)/'before'
        if subprocess.run(['git', 'worktree', 'add', '--detach', '-q', old, BEFORE], cwd=ROOT, capture_output=True).returncode: return rows
        try:
            for name, now, before, target in (
                    ('import asl_nb', 'import asl_nb', 'import asl_nb', 1.05),
                    ('from asl_nb import SignPredictor', 'from asl_nb import SignPredictor', 'from asl_nb.predict import SignPredictor', .6),
                    ('asl_predict --help', *('import sys; sys.argv = ["asl_predict", "--help"]; from asl_nb.cli import asl_predict; asl_predict()',) * 2, 1.05)):
                rows.append(row(f'{name} / the same before the move', ratio(lambda: seconds(now), lambda: seconds(before, old), repeats), target, repeats))
        finally: subprocess.run(['git', 'worktree', 'remove', '--force', old], cwd=ROOT, check=True)
    return rows


if __name__ == '__main__':
    for r in run(): print(r)
