#!/usr/bin/env python3
"""Writes README.md from nbs/index.ipynb through nbconvert.

usage: readme.py [--check]        (--check: write nothing, exit status 1 when README.md is not what it would be)

Cells flagged `hide` or `include: false` are left out. The first picture becomes asl_nb/static/banner.png, a link to a notebook leads
to its page on the site (settings.ini: doc_host, doc_baseurl), one to another file to the same file from the top of the repository,
and a subtitle under the title stays a quotation.
"""
import re, sys
from pathlib import Path

from docs import facts, page_of

ROOT = Path(__file__).resolve().parents[1]
BANNER = 'asl_nb/static/banner.png'


def render():
    "README.md as text, and the banner's bytes (None when the notebook shows no picture)."
    import nbformat
    from nbconvert import MarkdownExporter
    from traitlets.config import Config
    nb = nbformat.read(ROOT/'nbs'/'index.ipynb', as_version=4)
    hidden = re.compile(r'^#\|\s*(hide\b|include:\s*false|export|default_exp)', re.M)
    nb.cells = [c for c in nb.cells if not (c.cell_type == 'code' and hidden.search(c.source))]
    for c in nb.cells:
        if c.cell_type != 'code': continue
        c.metadata['hide_source'] = bool(re.search(r'^#\|\s*echo:\s*false', c.source, re.M))
        c.source = re.sub(r'^#\|.*\n?', '', c.source, flags=re.M).strip()
        if c.metadata['hide_source']: c.metadata.setdefault('tags', []).append('no-source')
    conf = Config()
    conf.TagRemovePreprocessor.enabled = True
    conf.TagRemovePreprocessor.remove_input_tags = {'no-source'}
    text, resources = MarkdownExporter(config=conf).from_notebook_node(nb)
    pictures = resources.get('outputs', {})
    for n, name in enumerate(pictures):
        if n: raise SystemExit('index.ipynb shows more than one picture: README.md has room for one')
        text = re.sub(rf'!\[[^\]]*\]\({re.escape(name)}\)', f'![A simulated sign, frame by frame]({BANNER})', text)
    site = facts()['doc_host'] + facts()['doc_baseurl']
    text = re.sub(r'\]\(([\w.]+)\.ipynb', lambda m: f']({site}/{page_of(m[1])}.html', text).replace('](../', '](')
    text = '<!-- Made from nbs/index.ipynb by tools/readme.py: change that notebook, not this page. -->\n\n' + text
    return re.sub(r'\n{3,}', '\n\n', text).strip() + '\n', next(iter(pictures.values()), None)


def main():
    text, banner = render()
    wanted = {ROOT/'README.md': text.encode()} | ({ROOT/BANNER: banner} if banner else {})
    stale = [p for p, data in wanted.items() if not p.exists() or p.read_bytes() != data]
    if '--check' in sys.argv:
        if stale: sys.exit('stale, run tools/readme.py: ' + ', '.join(str(p.relative_to(ROOT)) for p in stale))
        return
    for path in stale: path.write_bytes(wanted[path])
    print('written:', ', '.join(str(p.relative_to(ROOT)) for p in stale) or 'nothing, all up to date')


if __name__ == '__main__': main()
