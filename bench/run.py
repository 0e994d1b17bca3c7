#!/usr/bin/env python3
"""Runs the benchmarks and writes bench/results.md.

usage: run.py [NAME ...]      e.g. run.py pack feed; default: all of bench_*.py

Every figure is a ratio of two things measured in turn in one run, or says that it is not. ASL_REAL_DATA, when set, adds the
genuine recordings. A result that was not measured this time keeps its row and its date.
"""
import importlib, json, os, platform, subprocess, sys, time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
REAL = os.environ.get('ASL_REAL_DATA') and str(Path(os.environ['ASL_REAL_DATA']).resolve())
os.chdir(HERE.parent)
STORE = HERE/'results.json'

HEAD = '''# Measured

Written by `make bench`; a single part by `python bench/run.py NAME`. Speeds are ratios measured in one run, both sides in turn, since
machines differ and are noisy; absolute figures beside them are for orientation only.

| what | value | target | met | how |
|---|---|---|---|---|
'''


def machine():
    "The machine in words."
    model = platform.processor() or platform.machine()
    try: model = next(l.split(':')[1].strip() for l in Path('/proc/cpuinfo').read_text().splitlines() if l.startswith('model name'))
    except (OSError, StopIteration): pass
    return f'{os.cpu_count()} cores, {model}, Python {platform.python_version()}'


def main():
    names = sys.argv[1:] or sorted(p.stem.removeprefix('bench_') for p in HERE.glob('bench_*.py'))
    unknown = [n for n in names if not (HERE/f'bench_{n}.py').exists()]
    if unknown: sys.exit(f'no benchmark {", ".join(unknown)}; there are: {", ".join(sorted(p.stem[6:] for p in HERE.glob("bench_*.py")))}')
    results = json.loads(STORE.read_text()) if STORE.exists() else {}
    for name in names:
        print(f'== {name}', flush=True)
        rows = importlib.import_module(f'bench_{name}').run(REAL)
        rows = [rows] if isinstance(rows, dict) else rows
        results[name] = dict(date=time.strftime('%Y-%m-%d'), machine=machine(), rows=rows)
        for r in rows: print(f'   {r["name"]}: {r["value"]} {r.get("unit", "")} (target {r.get("target") or "none"})', flush=True)
    STORE.write_text(json.dumps(results, indent=1, sort_keys=True) + '\n')
    text = HEAD
    for name in sorted(results):
        for r in results[name]['rows']:
            value = f'{r["value"]:.3g}' if isinstance(r['value'], float) else r['value']
            met = {True: 'yes', False: '**no**', None: ''}[r.get('met')]
            text += f'| {r["name"]} | {value} {r.get("unit", "")} | {r.get("target") or ""} | {met} | {r.get("note", "")} |\n'
    for m in sorted({(r['machine'], r['date']) for r in results.values()}): text += f'\nMachine: {m[0]} ({m[1]}).\n'
    (HERE/'results.md').write_text(text)
    print((HERE/'results.md').relative_to(HERE.parent))


if __name__ == '__main__': main()
