#!/usr/bin/env python3
"""Builds the site: every notebook with its stored outputs as a page, in _docs/. Nothing is run and nothing is downloaded.

usage: docs.py [--out _docs] [--look] [--open]

Exit status 1 when a link is broken, an option of _quarto.yml means nothing or a page is not in the sidebar; with --look also when
Chromium sees something wrong with a page: an error, a picture that does not show, no formula, a line that runs out of the screen.

smalldocs renders what `_quarto.yml` lists; this script lays it out for it in a temporary folder, as nbdev would:

- a notebook's page bears its module's name (16_data.corpus.ipynb → data.corpus.html), where nbdev's `doc` and `_modidx.py` look for it;
  links between notebooks lead there, and a public name in backticks leads to the cell that defines it;
- what stands beside the notebooks (benchmarks, CONTRIBUTING, the page on data) becomes a page too, and any other file of the
  repository that is linked to is shown by its host;
- cells flagged `hide` are left out, exported cells are marked, a section *Under the hood* is folded;
- mathematics is set by KaTeX from tools/site/katex (0.16.11, MIT licence), so that it shows without a network.
"""
import argparse, ast, json, os, re, shutil, subprocess, sys, tempfile, webbrowser
from configparser import ConfigParser
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT/'tools'/'site'
# what is no notebook and becomes a page all the same: file of the repository → page
PAGES = {'CONTRIBUTING.md': 'contributing.md', 'CHANGELOG.md': 'changelog.md', 'data/README.md': 'data.md',
         'bench/models.md': 'bench/models.md', 'bench/results.md': 'bench/results.md', 'bench/webcam33.md': 'bench/webcam33.md'}
LINK = re.compile(r'(?<=\]\()(?![a-z]+:|#|/)([^)\s#]+)(#[^)\s]*)?(?=\))')
FENCED = re.compile(r'^```.*?^```[^\n]*$', re.M | re.S)
HOOD = 'under-the-hood'


def facts():
    "settings.ini's section."
    ini = ConfigParser(delimiters=['='])
    ini.read(ROOT/'settings.ini', encoding='utf-8')
    return ini['DEFAULT']


def page_of(name):
    "The name of a notebook's page without its number: 16_data.corpus.ipynb → data.corpus.ipynb."
    return re.sub(r'^\d\d_', '', name)


def relinked(text, at, page):
    "Markdown of the file `at` (its place in the repository) with its links as they must be on `page`; code is left alone."
    def link(m):
        there = PurePosixPath('/', PurePosixPath(at).parent, m[1])
        parts = []
        for p in there.parts[1:]: parts = parts[:-1] if p == '..' else [*parts, p]
        target = '/'.join(parts)
        if re.fullmatch(r'nbs/[\w.]+\.ipynb', target) and (ROOT/target).exists(): found = '/' + page_of(target[4:])
        elif target in PAGES: found = '/' + PAGES[target]
        elif not target.startswith('nbs/') and (ROOT/target).exists(): found = f'{facts()["git_url"]}/blob/{facts()["branch"]}/{target}'
        else: found = m[1]
        return found + (m[2] or '')
    out, last = [], 0
    for code in FENCED.finditer(text):
        out += [LINK.sub(link, text[last:code.start()]), code[0]]
        last = code.end()
    return ''.join([*out, LINK.sub(link, text[last:])])


def defined(source):
    "The public classes and functions that a cell defines at its top, what it patches into a class left out."
    try: body = ast.parse(source).body
    except SyntaxError: return []
    return [n.name for n in body if isinstance(n, (ast.ClassDef, ast.FunctionDef)) and not n.name.startswith('_')
            and not any('patch' in ast.unparse(d) for d in n.decorator_list)]


def staged(path, symbols):
    "A notebook as smalldocs shall read it; the names that it exports are added to `symbols`."
    nb, page, cells = json.loads(path.read_text(encoding='utf-8')), page_of(path.name), []
    for cell in nb['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'code':
            lines = source.splitlines()
            marks = [line[2:].strip() for line in lines if line.startswith('#|')]
            source = '\n'.join(line for line in lines if not line.startswith('#|'))
            if 'hide' in marks or not source.strip(): continue
            options = [f'#| {m}' for m in marks if ':' in m]
            if 'export' in marks or 'exports' in marks:
                names = defined(source)
                options.append(f'#| label: "{(names or [cell["id"]])[0].lower()} .exported"')
                for name in names:
                    if name[0].isupper() or '_' in name: symbols[name] = f'/{page}#{names[0].lower()}'
            source = '\n'.join([*options, source])
        else: source = relinked(source, f'nbs/{path.name}', page)
        for out in cell.get('outputs', []):
            if 'text/markdown' in out.get('data', {}):
                out['data']['text/markdown'] = relinked(''.join(out['data']['text/markdown']), f'nbs/{path.name}', page)
        cells.append(cell | {'source': source})
    if title := re.match(r'# (.+)\n+((?:>.*\n?)+)', cells[0]['source']):
        about = ' '.join(line.lstrip('> ').strip() for line in title[2].splitlines())
        front = f'---\ntitle: {json.dumps(title[1], ensure_ascii=False)}\ndescription: {json.dumps(about, ensure_ascii=False)}\n---\n'
        cells[0] = cells[0] | {'source': front + cells[0]['source'][title.end():]}
    return json.dumps(nb | {'cells': cells})


def stage(folder):
    "Write everything that the site is made of into a folder."
    symbols = {}
    for path in sorted((ROOT/'nbs').glob('*.ipynb')):
        (folder/page_of(path.name)).write_text(staged(path, symbols), encoding='utf-8')
    for source, page in PAGES.items():
        (folder/page).parent.mkdir(exist_ok=True)
        (folder/page).write_text(relinked((ROOT/source).read_text(encoding='utf-8'), source, page), encoding='utf-8')
    (folder/'_quarto.yml').write_text(re.sub(r'\b\d\d_([\w.]+\.ipynb)', r'\1', (ROOT/'_quarto.yml').read_text(encoding='utf-8')), encoding='utf-8')
    shutil.copy(ROOT/'nbs'/'nbdev.yml', folder)
    shutil.copy(ASSETS/'style.css', folder)
    (folder/'_symbols.json').write_text(json.dumps(symbols), encoding='utf-8')


def folded(text):
    "A page with its section *Under the hood* closed until it is clicked on, or linked into."
    start = text.find(f'<section id="{HOOD}"')
    if start < 0: return text
    begin, depth = text.index('</h2>', start) + 5, 0
    for tag in re.finditer(r'<section\b|</section>', text[start:]):
        depth += 1 if tag[0] != '</section>' else -1
        if depth == 0: break
    end = start + tag.start()
    return f'{text[:begin]}\n<details class="{HOOD}"><summary>Checks, refusals, and what hardens the module</summary>\n{text[begin:end]}</details>\n{text[end:]}'


def finish(site):
    "What is done to the finished pages: KaTeX from beside them, no letters from elsewhere, folded sections."
    shutil.copytree(ASSETS/'katex', site/'site_libs'/'katex')
    for path in (site/'site_libs').rglob('*.css'):
        text = path.read_text(encoding='utf-8')
        if '@import url(' in text: path.write_text(re.sub(r'@import url\([^)]*\);?', '', text), encoding='utf-8')
    for path in site.rglob('*.html'):
        text = path.read_text(encoding='utf-8')
        up = '../' * (len(path.relative_to(site).parts) - 1)
        text = re.sub(r'https://cdn\.jsdelivr\.net/npm/katex@[\d.]+/dist/(?:contrib/)?', f'{up}site_libs/katex/', text)
        path.write_text(folded(text), encoding='utf-8')
    (site/'.nojekyll').touch()


def unlisted(site):
    "Pages that the sidebar does not lead to."
    sidebar = re.search(r'<nav id="quarto-sidebar".*?</nav>', (site/'index.html').read_text(encoding='utf-8'), re.S)[0]
    return [str(p.relative_to(site)) for p in sorted(site.rglob('*.html')) if f'href="{p.relative_to(site)}"' not in sidebar]


def build(out):
    "Build the site in a folder, the number of its pages; an exit with words when something in it is wrong."
    if out.exists() and not (out.is_dir() and ((out/'site_libs').is_dir() or not any(out.iterdir()))):
        sys.exit(f'{out} is there and is no site that this wrote: name another folder with --out')
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp).resolve()
        stage(tmp)
        for what in (['check'], ['render', '--quiet', '--strict']):
            r = subprocess.run([sys.executable, '-m', 'smalldocs.cli', *what, tmp], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if r.returncode: sys.exit(f'{r.stdout}smalldocs {what[0]} found fault with the site: nothing is written')
        finish(tmp/'_docs')
        if lost := unlisted(tmp/'_docs'): sys.exit(f'not in the sidebar of _quarto.yml: {", ".join(lost)}: nothing is written')
        pages = len(list((tmp/'_docs').rglob('*.html')))
        if out.exists(): shutil.rmtree(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(tmp/'_docs', out)
    return pages


WIDER = """() => [...document.querySelectorAll('main *')].filter(e => !e.closest('pre, .cell-output, .sd-table, .katex, .math')
         && e.getBoundingClientRect().left + Math.max(e.scrollWidth, e.offsetWidth || 0) > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""


def look(site, name='models.losses.html'):
    "What Chromium finds wrong with a page that has a figure and a formula, on a desk and on a phone; ImportError without Playwright."
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        browser, wrong = p.chromium.launch(executable_path=chromium(), args=['--no-sandbox']), []
        for width in 1280, 390:
            page = browser.new_page(viewport={'width': width, 'height': 900})
            page.on('console', lambda m: wrong.append(f'console: {m.text}') if m.type == 'error' else None)
            page.on('pageerror', lambda e: wrong.append(f'error: {e}'))
            page.on('request', lambda r: None if r.url.startswith(('file:', 'data:', 'blob:')) else wrong.append(f'asks the network for {r.url}'))
            page.goto((site/name).resolve().as_uri(), wait_until='load')
            picture = page.locator('main .cell-output img').first
            picture.scroll_into_view_if_needed(timeout=10_000)
            box = picture.bounding_box()
            if not picture.evaluate('i => i.naturalWidth') or box['x'] < 0 or box['x'] + box['width'] > width: wrong.append('a figure does not show whole')
            if not page.locator('main .katex math').count() or page.locator('.katex-error').count(): wrong.append('a formula is not set')
            if page.evaluate('document.documentElement.scrollWidth') > width: wrong.append('the page is wider than the screen')
            wrong += [f'runs out of the screen: {e}' for e in page.evaluate(WIDER)]
            wrong = [w if w.startswith(name) else f'{name} at {width} pixels: {w}' for w in wrong]
            page.close()
        browser.close()
    return wrong


def chromium():
    "Where Chromium is, '' when it is not installed."
    return shutil.which('chromium') or next((c for c in ('/usr/bin/chromium',) if os.path.exists(c)), '')


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--out', type=Path, default=ROOT/'_docs')
    p.add_argument('--open', action='store_true', help='show it in the browser')
    p.add_argument('--look', action='store_true', help='look at a page in Chromium')
    a = p.parse_args()
    pages = build(a.out)
    print(f'{pages} pages: {a.out/"index.html"}')
    if a.look and not chromium(): sys.exit('chromium is not installed (Debian: apt-get install chromium)')
    if a.look and (wrong := look(a.out)): sys.exit('\n'.join(wrong))
    if a.open: webbrowser.open((a.out/'index.html').resolve().as_uri())


if __name__ == '__main__': main()
