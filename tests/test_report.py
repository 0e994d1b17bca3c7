"""The data report as people meet it: in a browser, on a screen and on a phone, on paper; and nothing asked from the network.

Needs Debian's Chromium and Playwright; without them it is skipped and says so, and with CI=true it fails. Pictures stay in out/browser/.
"""
import os
from pathlib import Path

import pytest

from conftest import needed

CHROMIUM = needed('report in a browser', 'chromium', packages=['playwright'])
from playwright import sync_api  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT/'out'/'browser'


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    "The report of a small simulated corpus with a hostile name in it."
    os.environ['ASL_NB_QUIET'] = '1'
    import matplotlib
    matplotlib.use('Agg')
    from asl_nb.data.corpus import Corpus
    from asl_nb.exploration.report import data_report
    from asl_nb.simulation.corpus import simulate_corpus
    folder = tmp_path_factory.mktemp('report')
    c = simulate_corpus(folder/'raw', n_signs=6, n_signers=4, clips_per_sign_per_signer=2, style='ragged', workers=1)
    first, evil = c.clips.sign[0], '<script>document.title="owned"</script>'
    signs = {evil if s == first else s: i for s, i in c.signs.items()}
    c = Corpus(c.root, c.clips.assign(sign=c.clips.sign.replace(first, evil)), signs)
    return data_report(c, folder/'report.html', sample=None)


@pytest.fixture(scope='module')
def browser():
    with sync_api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox', '--disable-gpu'])
        yield browser
        browser.close()


@pytest.mark.parametrize('width', [1280, 400])
def test_nothing_sticks_out_and_nothing_is_fetched(report, browser, width):
    page, asked, said = browser.new_page(viewport=dict(width=width, height=900)), [], []
    page.on('request', lambda r: asked.append(r.url) if not r.url.startswith('data:') else None)
    page.on('console', lambda m: said.append(m.text))
    page.goto(report.as_uri())
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    assert page.title() == 'What is in raw'                # what the sign's name says did not run
    assert asked == [report.as_uri()] and said == []
    assert page.evaluate('[...document.images].every(i => i.naturalWidth > 0 && i.alt.split(" ").length > 2)')
    assert page.locator('section').count() == 10 and page.locator('.left-out').count() == 0
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT/f'report_{width}.png', full_page=True)
    page.close()


def test_contents_lead_to_sections_and_it_prints(report, browser, tmp_path):
    page = browser.new_page()
    page.goto(report.as_uri())
    page.click('nav a >> nth=6')
    assert page.evaluate('document.querySelector(":target h2").textContent') == 'Doubtful labels'
    page.pdf(path=tmp_path/'report.pdf', format='A4')
    assert (tmp_path/'report.pdf').read_bytes()[:4] == b'%PDF'
