#!/usr/bin/env python3
"""Checks that a notebook imports only from notebooks that come before it, in whatever form the import is written.

The order is that of the file names: by number, and by the letters after it where two share a number.

usage: check_order.py [NBS_FOLDER]

Read from the syntax tree of every code cell, so that imports inside functions count too: `import asl_nb.x`,
`from asl_nb.x import y`, `from asl_nb import x`, relative imports, `import_module('asl_nb.x')`, `__import__('asl_nb.x')`
and lazy names such as 'asl_nb.x:Class'. `index` and `01_signs` show what is to come and are exempt. Exit status 1 on a breach.
"""
import ast, json, re, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'asl_nb'


def code_cells(path):
    "The sources of a notebook's code cells, with shell and magic lines taken out."
    for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
        if cell['cell_type'] != 'code': continue
        lines = ''.join(cell['source']).splitlines()
        yield '\n'.join('' if re.match(r'\s*[%!]', line) else line for line in lines)


def imported(source, package=''):
    "Modules of the package, without its name, that a piece of source imports in any form."
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import): names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(filter(None, [PACKAGE if node.level else '', node.module]))
            names = [base] + [f'{base}.{a.name}' for a in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str): names = re.findall(rf'^{PACKAGE}\.[\w.]+(?=:\w+$|$)', node.value)
        else: continue
        yield from (n[len(PACKAGE) + 1:] for n in names if n.startswith(PACKAGE + '.'))


def breaches(nbs):
    "Pairs (notebook, module it may not import yet)."
    paths = [p for p in sorted(nbs.glob('*.ipynb')) if p.name[:2].isdigit()]
    place = {}
    for path in paths:
        found = next((m for c in code_cells(path) if (m := re.search(r'^#\|\s*default_exp\s+(\S+)', c, re.M))), None)
        if found: place[found[1]] = path.name
    for path in paths:
        if path.name.startswith('01_'): continue
        for module in {m for c in code_cells(path) for m in imported(c)}:
            if place.get(module, '') > path.name: yield path.name, module


def main():
    nbs = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT/'nbs'
    found = list(breaches(nbs))
    for name, module in found: print(f'{name} imports {PACKAGE}.{module}, which comes from a later notebook')
    sys.exit(1 if found else 0)


if __name__ == '__main__': main()
