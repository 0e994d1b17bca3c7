"""The site: what becomes of a notebook, and that a fault in it is found. The whole site is built by tools/check.py."""
import base64, json, re, sys
from io import BytesIO
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT/'tools'))

import check  # noqa: E402
import docs  # noqa: E402

LONG = "x = '" + 'a line that is far too long for a telephone, and for most desks as well, for it goes on ' * 3 + "'"


def picture():
    from PIL import Image
    Image.new('RGB', (2000, 300), 'teal').save(out := BytesIO(), 'png')
    return dict(output_type='display_data', metadata={}, data={'image/png': base64.b64encode(out.getvalue()).decode()})


def notebook(path, *sources):
    "A notebook of texts, of code (a tuple of its lines) and of code with the outputs that it left (a list)."
    cells = []
    for i, s in enumerate(sources):
        code, outputs = (s[0], s[1:]) if isinstance(s, list) else (s, [])
        kind = dict(cell_type='code', outputs=outputs, execution_count=None) if isinstance(s, (tuple, list)) else dict(cell_type='markdown')
        cells.append(kind | dict(id=f'c{i}', metadata={}, source='\n'.join(code) if isinstance(code, tuple) else code))
    path.write_text(json.dumps(dict(cells=cells, metadata={}, nbformat=4, nbformat_minor=5)), encoding='utf-8')


@pytest.fixture
def small(tmp_path, monkeypatch):
    "A repository of two notebooks and a table beside them."
    for name in 'nbs', 'bench', 'other': (tmp_path/name).mkdir()
    (tmp_path/'settings.ini').write_text((ROOT/'settings.ini').read_text(encoding='utf-8'), encoding='utf-8')
    (tmp_path/'nbs'/'nbdev.yml').write_text('website:\n  title: small\n')
    (tmp_path/'_quarto.yml').write_text('project: {type: website, output-dir: _docs}\nformat: {html: {css: style.css}}\nsmalldocs: {linkify: true}\n'
                                        'metadata-files: [nbdev.yml]\nwebsite:\n  sidebar:\n    contents: [index.ipynb, 10_a.one.ipynb, bench/table.md]\n')
    (tmp_path/'bench'/'table.md').write_text('# A table\n\n[back](../nbs/10_a.one.ipynb)\n')
    (tmp_path/'other'/'file.txt').touch()
    notebook(tmp_path/'nbs'/'index.ipynb', '# Small\n\n> A site', 'See [one](10_a.one.ipynb#there), [a table](../bench/table.md), [a file](../other/file.txt), `Thing`.\n\n'
             '```\n[no link](10_a.one.ipynb)\n```')
    notebook(tmp_path/'nbs'/'10_a.one.ipynb', '# One\n> First of two', r'Here is $\alpha$.', ('#| hide', 'secret = 1'), ('#| export', 'class Thing: pass'),
             ['#| slow\n' + LONG, picture()], '## Under the hood\nUgly.', '### More\nUglier.', '## Summary\nDone.')
    monkeypatch.setattr(docs, 'ROOT', tmp_path)
    monkeypatch.setattr(docs, 'PAGES', {'bench/table.md': 'bench/table.md'})
    return tmp_path


def test_a_site(small):
    assert docs.build(small/'_docs') == 3
    index, one, table = ((small/'_docs'/f).read_text() for f in ('index.html', 'a.one.html', 'bench/table.html'))
    assert 'href="a.one.html#there"' in index and 'href="bench/table.html"' in index and '[no link](10_a.one.ipynb)' in index
    assert 'href="https://github.com/asl-nb/asl_nb/blob/main/other/file.txt"' in index and 'href="../a.one.html"' in table
    assert re.search(r'href="a\.one\.html#thing"[^>]*><code>Thing|<code><a href="a\.one\.html#thing"', index)
    assert 'secret' not in one and '#|' not in one and re.search(r'id="thing" class="cell exported"', one)
    assert 'src="site_libs/katex/katex.min.js"' in one and 'cdn.' not in one and (small/'_docs'/'site_libs'/'katex'/'fonts').is_dir()
    hood = one[one.index('<details class="under-the-hood">'):one.index('</details>')]
    assert 'Ugly' in hood and 'Uglier' in hood and 'Done' not in hood
    assert docs.build(small/'_docs') == 3                            # over its own


@pytest.mark.parametrize('fault, words', [('link', 'broken link gone.ipynb'), ('option', 'unknown key website.sidebar.colour'), ('sidebar', 'not in the sidebar')])
def test_a_fault_is_found_and_nothing_written(small, fault, words):
    config = small/'_quarto.yml'
    if fault == 'link': notebook(small/'nbs'/'index.ipynb', '# Small\n\n[broken](gone.ipynb)')
    if fault == 'option': config.write_text(config.read_text() + '    colour: red\n')
    if fault == 'sidebar': config.write_text(config.read_text().replace(', 10_a.one.ipynb', ''))
    with pytest.raises(SystemExit, match=words): docs.build(small/'_docs')
    assert not (small/'_docs').exists()


def test_a_foreign_folder_is_left_alone(small):
    (small/'mine').mkdir()
    (small/'mine'/'thesis.txt').write_text('words')
    with pytest.raises(SystemExit, match='no site that this wrote'): docs.build(small/'mine')
    assert (small/'mine'/'thesis.txt').read_text() == 'words'


def test_a_look_in_the_browser(small):
    from conftest import needed
    needed('the site in a browser', 'chromium', packages=['playwright'])
    docs.build(small/'_docs')
    assert docs.look(small/'_docs', 'a.one.html') == []
    page = small/'_docs'/'a.one.html'
    page.write_text(page.read_text().replace('</main>', '<p style="white-space:nowrap">' + LONG + '</p><script>nothing()</script>'
                                             '<img src="https://example.invalid/x.png"></main>').replace('site_libs/katex/katex.min.js', 'gone.js'))
    found = '\n'.join(docs.look(small/'_docs', 'a.one.html'))
    for words in ('at 390 pixels: runs out of the screen: <p style', 'nothing is not defined', 'asks the network for https://example.invalid', 'a formula is not set'):
        assert words in found


@pytest.mark.parametrize('ci', [True, False])
def test_without_a_browser_the_check_fails_in_ci_and_elsewhere_says_that_it_looked_at_nothing(ci, monkeypatch):
    for name in 'passed', 'failed', 'skipped': monkeypatch.setattr(check, name, [])
    monkeypatch.setattr(check, 'CI', ci)
    monkeypatch.setattr(check, 'sh', lambda *cmd: (0, ''))
    monkeypatch.setattr(docs, 'chromium', lambda: '')
    check.docs()
    assert (len(check.failed), len(check.passed), len(check.skipped)) == ((1, 0, 0) if ci else (0, 1, 1))
