#!/usr/bin/env python3
"""Checks that a notebook imports only from notebooks that come before it, in whatever form the import is written.

The order is that of the numbers, and no two share one.

usage: check_order.py [NBS_FOLDER]

Read from the syntax tree of every code cell, so that imports inside functions count too: `import asl_nb.x`,
`from asl_nb.x import y`, `from asl_nb import x`, relative imports, `import_module('asl_nb.x')`, `import_module('.x', 'asl_nb')`,
`__import__('asl_nb.x')`. What is found by name at run time, such as 'asl_nb.x:Class' in a table, may live higher. A string that holds code counts as code, for it may be given to
`exec` or to another Python; so do f-strings, shell lines and magics (`!python -m asl_nb.x`, `%run`, `!asl_train`). Docstrings do
not. The front door counts as the module behind it: `from asl_nb import train`, `asl_nb.train`, `from asl_nb import *`. `index` and
the lessons (00 to 09) show what is to come and are exempt. Exit status 1 on a breach.
"""
import ast, json, re, sys
from configparser import ConfigParser
from functools import cache
from pathlib import Path
from textwrap import dedent

from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'asl_nb'
# where an import may begin in what is no Python as it stands: a shell's words, half a program
STATEMENT = re.compile(rf'''(?:^|[\n;:"'])\s*(?:import\s+({PACKAGE}\.[\w.]+)|from\s+({PACKAGE}[\w.]*)\s+import\s+\(?\s*([\w ,]+))''')


def code_cells(path):
    "The sources of a notebook's code cells as Python: shell lines and magics become calls with their text as a string."
    for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
        if cell['cell_type'] == 'code': yield TransformerManager().transform_cell(''.join(cell['source']))


def commands():
    "The package's console scripts: {command: module}."
    ini = ConfigParser(delimiters=['='], interpolation=None)
    ini.read(ROOT/'settings.ini', encoding='utf-8')
    return dict(re.findall(r'^(\w+)=([\w.]+):', ini['DEFAULT']['console_scripts'], re.M))


def in_shell(text):
    "What a shell line or a magic names: modules, their files, notebooks, commands."
    yield from re.findall(rf'\b{PACKAGE}\.[\w.]+', text)
    yield from (f'{PACKAGE}.{p.replace("/", ".")}' for p in re.findall(rf'\b{PACKAGE}/([\w/]+)\.py\b', text))
    yield from re.findall(r'[\w.]+\.ipynb\b', text)
    yield from (module for name, module in commands().items() if re.search(rf'(?:^|[\s;&|/`(]){name}\b', text))


def in_string(text, package):
    "Names that a string imports: a module's name, a program, or something with an import statement in it."
    if PACKAGE not in text and '.' not in text: return
    yield from re.findall(rf'^({PACKAGE}\.[\w.]+)$', text)
    try: yield from names(dedent(text), package)
    except (SyntaxError, ValueError, RecursionError):
        for whole, base, parts in STATEMENT.findall(text):
            yield from [whole] if whole else [base, *(f'{base}.{p.split()[0]}' for p in parts.split(',') if p.split())]


def literal(node):
    "The text of a string or f-string, `_` where a value goes in; None for anything else."
    if isinstance(node, ast.JoinedStr): return ''.join(literal(v) or '_' for v in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def absolute(name, level, package):
    "A relative name as seen from a package (dotted, without the leading name)."
    parents = [PACKAGE, *filter(None, package.split('.'))]
    return '.'.join(filter(None, [*parents[:max(1, len(parents) - level + 1)], name]))


def in_call(node, package):
    "Names in a call: `import_module('.x', 'asl_nb')`, and shell lines and magics, which are calls by now."
    func, args = ast.unparse(node.func), [literal(a) for a in node.args]
    if func.startswith('get_ipython()'): yield from in_shell(' '.join(a or '' for a in args))
    if func.endswith('import_module') and args and (args[0] or '').startswith('.'):
        given = next(iter([literal(k.value) for k in node.keywords if k.arg == 'package'] + args[1:]), None)
        name = args[0].lstrip('.')
        if given is None: given = f'{PACKAGE}.{package}'                  # __package__, say
        if given.split('.')[0] == PACKAGE: yield absolute(name, len(args[0]) - len(name), given[len(PACKAGE) + 1:])


def names(source, package):
    "Full names of modules, and of what may be one, that a program imports in any form."
    tree = ast.parse(source)
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}       # docstrings are not run
    said |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import): yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node.module, node.level, package) if node.level else node.module
            yield from [base, *(f'{base}.{a.name}' for a in node.names)]
        elif isinstance(node, ast.Call): yield from in_call(node, package)
        elif (text := literal(node)) is not None and id(node) not in said: yield from in_string(text, package)


@cache
def front_door():
    "What the package itself hands out: {name: the module that it comes from}."
    for node in ast.parse((ROOT/PACKAGE/'__init__.py').read_text(encoding='utf-8')).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_HOMES' and isinstance(node.value, ast.Dict):
            return {name: home for home, names in ast.literal_eval(node.value).items() for name in names.split()}
    raise SystemExit(f'{PACKAGE}/__init__.py has no _HOMES: the names of the front door and where they live')


def imported(source, package=''):
    "Modules of the package, without its name, and notebooks that a piece of source brings in, also through the front door."
    homes = front_door()
    for name in names(source, package):
        if name.startswith(PACKAGE + '.'): yield homes.get(name[len(PACKAGE) + 1:], name[len(PACKAGE) + 1:])
        elif name.endswith('.ipynb'): yield name


def doors(source):
    "Names that the whole package has here: `import asl_nb as nb` → nb."
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import): yield from (a.asname or a.name for a in node.names if a.name == PACKAGE)


def through_door(source, doors):
    "Homes of what is taken from the package by `asl_nb.train` or by a star."
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in doors and node.attr in front_door():
            yield front_door()[node.attr]
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE and not node.level and node.names[0].name == '*':
            yield from front_door().values()


def breaches(nbs):
    "Pairs (notebook, module or notebook that it may not use yet)."
    paths = [p for p in sorted(nbs.glob('*.ipynb')) if p.name[:2].isdigit()]
    own, place = {}, {p.name: p.name for p in paths}
    for a, b in zip(paths, paths[1:]):
        if a.name[:2] == b.name[:2]: yield b.name, f'{a.name} (the same number)'
    for path in paths:
        found = next((m for c in code_cells(path) if (m := re.search(r'^#\|\s*default_exp\s+(\S+)', c, re.M))), None)
        if found: own[path], place[found[1]] = found[1], path.name
    for path in paths:
        if path.name.startswith('0'): continue           # lessons show what is to come
        package = own.get(path, '').rpartition('.')[0]
        cells = list(code_cells(path))
        whole = {d for c in cells for d in doors(c)}
        found = {m for c in cells for m in (*imported(c, package), *through_door(c, whole))}
        for module in sorted(found):
            if place.get(module, '') > path.name: yield path.name, module


def main():
    nbs = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT/'nbs'
    found = list(breaches(nbs))
    for name, module in found:
        what = module if module.endswith('.ipynb') else f'{PACKAGE}.{module}'
        print(f'{name} imports {what}, which comes from a later notebook')
    sys.exit(1 if found else 0)


if __name__ == '__main__': main()
