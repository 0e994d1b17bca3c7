#!/usr/bin/env python3
"""Runs notebooks top to bottom in a fresh process and stores clean outputs in them.

usage: run_notebooks.py [--flags 'slow real'] [--check] [NOTEBOOK ...]      (default: every notebook in nbs/)

Cells flagged in settings.ini's `tst_flags` are skipped, outputs kept, unless named in --flags; so are `eval: false`
cells. What differs from run to run is left out (progress bars and warnings on stderr, execution counts, object ids),
so that a second run changes nothing. --check runs and writes nothing. Exit status 1 when a notebook fails.
"""
import argparse, json, os, re, subprocess, sys, time
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NBS = ROOT/'nbs'


def directives(source):
    "The `#|` flags that a code cell carries."
    return [line.lstrip('#| ').strip() for line in source.splitlines() if line.startswith('#|')]


def run_one(path, flags, check):
    "Run one notebook in this process and write its outputs back."
    os.environ['ASL_NB_STORING_OUTPUTS'] = '1'
    os.environ['IN_TEST'] = '1'
    os.chdir(path.parent)
    sys.path.insert(0, str(ROOT))
    from execnb.shell import CaptureShell
    from nbdev.clean import clean_nb
    ini = ConfigParser(delimiters=['='], interpolation=None)
    ini.read(ROOT/'settings.ini', encoding='utf-8')
    skip = set(ini['DEFAULT']['tst_flags'].split()) - set(flags)
    nb = json.loads(path.read_text(encoding='utf-8'))
    if any('skip_exec: true' in ''.join(c['source']) for c in nb['cells'][:1]): return True
    shell = CaptureShell(mpl_format='png')
    shell.run("import warnings; warnings.filterwarnings('ignore')")
    for cell in nb['cells']:
        source = ''.join(cell['source'])
        marks = directives(source)
        if cell['cell_type'] != 'code' or 'eval: false' in marks or skip & set(marks): continue
        outs = [dict(o) for o in shell.run(source)]
        if shell.exc is not None:
            print(f'{path.name}: cell {cell["id"]} failed\n{source}\n', file=sys.stderr)
            print(''.join(next((o['traceback'] for o in outs if o['output_type'] == 'error'), [])), file=sys.stderr)
            return False
        outs = [o for o in outs if o.get('name') != 'stderr']
        for o in outs:
            if 'execution_count' in o: o['execution_count'] = None
        cell.update(outputs=outs, execution_count=None)
    clean_nb(nb)
    text = json.dumps(nb, indent=1, sort_keys=True, ensure_ascii=False) + '\n'
    if not check and text != path.read_text(encoding='utf-8'):
        new = path.with_suffix('.tmp')
        new.write_text(text, encoding='utf-8')
        new.replace(path)
    return True


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('notebooks', nargs='*')
    p.add_argument('--flags', default='')
    p.add_argument('--check', action='store_true')
    p.add_argument('--one', action='store_true', help=argparse.SUPPRESS)
    a = p.parse_args()
    paths = [Path(n).resolve() for n in a.notebooks] or sorted(NBS.glob('*.ipynb'))
    if a.one: sys.exit(0 if run_one(paths[0], a.flags.split(), a.check) else 1)
    failed = []
    for path in paths:
        t = time.time()
        cmd = [sys.executable, __file__, '--one', '--flags', a.flags, *(['--check'] if a.check else []), str(path)]
        ok = subprocess.run(cmd).returncode == 0
        failed += [] if ok else [path.name]
        print(f'{"ok    " if ok else "FAILED"} {path.name} {time.time() - t:.0f} s', flush=True)
    if failed: sys.exit(f'failed: {" ".join(failed)}')


if __name__ == '__main__': main()
