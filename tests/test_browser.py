"""The notebook as a person meets it: JupyterLab in a real browser, the explorer moved by hand, an animation seen to move.

Needs Debian's Chromium and Playwright; without them it is skipped and says so, and with CI=true it fails. Screenshots stay in out/browser/.
"""
import hashlib, json, os, socket, subprocess, sys, time, urllib.request
from pathlib import Path

import pytest

from conftest import needed

CHROMIUM = needed('browser tests', 'chromium', packages=['playwright'])
from playwright import sync_api  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT/'out'/'browser'

CELLS = ['''
import os, tempfile
os.environ['ASL_NB_QUIET'] = '1'
from pathlib import Path
from asl_nb.simulation.corpus import simulate_corpus
from asl_nb.view.animation import visualize_target_sign
from asl_nb.view.explorer import LandmarkExplorer
tmp = tempfile.TemporaryDirectory()
corpus = simulate_corpus(Path(tmp.name)/'raw', n_signs=3, n_signers=3, clips_per_sign_per_signer=2, workers=1)
''', 'explorer = LandmarkExplorer(corpus)\nexplorer', 'visualize_target_sign(corpus, 0, n_samples=2)']


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    "JupyterLab serving one notebook; its address."
    folder, port = tmp_path_factory.mktemp('lab'), free_port()
    kernel = {'kernelspec': {'display_name': 'python3', 'language': 'python', 'name': 'python3'}}
    cells = [dict(cell_type='code', id=f'c{i}', metadata={}, source=c.strip(), outputs=[], execution_count=None) for i, c in enumerate(CELLS)]
    (folder/'look.ipynb').write_text(json.dumps(dict(cells=cells, metadata=kernel, nbformat=4, nbformat_minor=5)))
    home = {k: str(tmp_path_factory.mktemp(k.lower())) for k in ('JUPYTER_CONFIG_DIR', 'JUPYTER_RUNTIME_DIR', 'JUPYTERLAB_WORKSPACES_DIR')}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])
    server = subprocess.Popen([sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--ip=127.0.0.1', f'--port={port}',
                               '--ServerApp.port_retries=0', '--IdentityProvider.token=', '--expose-app-in-browser', f'--notebook-dir={folder}'],
                              env=os.environ | home | {'PYTHONPATH': path}, stdout=(folder/'log').open('w'), stderr=subprocess.STDOUT)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f'http://127.0.0.1:{port}/api', timeout=2)
                break
            except OSError:
                assert server.poll() is None, (folder/'log').read_text()
                time.sleep(.5)
        yield f'http://127.0.0.1:{port}'
    finally:
        server.terminate()
        try: server.wait(20)
        except subprocess.TimeoutExpired: server.kill()


@pytest.fixture(scope='module')
def page(lab):
    "The notebook open in Chromium, all cells run."
    with sync_api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        page = browser.new_page(viewport={'width': 1300, 'height': 1100})
        page.set_default_timeout(120_000)
        page.goto(f'{lab}/lab/tree/look.ipynb')
        page.wait_for_selector('.jp-Notebook .jp-Cell')
        page.wait_for_function("window.jupyterapp?.commands.hasCommand('notebook:run-all-cells')")
        page.evaluate("async () => { await jupyterapp.shell.currentWidget.sessionContext.ready; "
                      "await jupyterapp.commands.execute('notebook:run-all-cells') }")
        page.wait_for_selector('.jp-OutputArea .widget-image')
        page.wait_for_function("document.querySelector('.widget-image').naturalWidth > 0")
        OUT.mkdir(parents=True, exist_ok=True)
        yield page
        browser.close()


def seen(locator):
    "A fingerprint of what an element looks like on the screen."
    locator.scroll_into_view_if_needed()
    return hashlib.sha256(locator.screenshot()).hexdigest()


def changes(locator, before, seconds=30):
    "Whether an element comes to look otherwise within some seconds."
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if seen(locator) != before: return True
        time.sleep(.2)
    return False


def settle(locator, seconds=30):
    "How an element looks once it has stopped changing."
    last, end = seen(locator), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(.7)
        now = seen(locator)
        if now == last: return now
        last = now
    raise AssertionError('the picture does not come to rest')


def words(page): return page.locator('.widget-html-content').first.inner_text()


def test_the_slider_moves_the_picture(page):
    picture, said = page.locator('.widget-image').first, words(page)
    before = settle(picture)
    drawn, shown = page.evaluate("(i => [i.naturalWidth, i.clientWidth])(document.querySelector('.widget-image'))")
    assert drawn == shown                                  # not stretched over the page
    page.screenshot(path=OUT/'explorer_first.png')
    assert 'frame 1 of' in said
    menus = page.locator('.widget-dropdown select')
    assert menus.nth(1).evaluate('s => s.selectedOptions[0].text') == 'everybody'
    handle = page.locator('.widget-slider .noUi-handle').first
    handle.click()
    for _ in range(6): handle.press('ArrowRight')
    page.wait_for_function("document.querySelector('.widget-html-content').innerText.includes('frame 7 of')")
    assert changes(picture, before)
    page.screenshot(path=OUT/'explorer_moved.png')


def test_a_part_is_switched_off(page):
    picture = page.locator('.widget-image').first
    before = settle(picture)
    page.get_by_role('button', name='body', exact=True).click()
    assert changes(picture, before)
    off = settle(picture)
    page.get_by_role('button', name='body', exact=True).click()
    assert changes(picture, off)
    assert settle(picture) == before


def test_another_sign(page):
    picture, said = page.locator('.widget-image').first, words(page)
    before = settle(picture)
    page.locator('.widget-dropdown select').first.select_option(index=2)
    page.wait_for_function("was => document.querySelector('.widget-html-content').innerText != was", arg=said)
    assert changes(picture, before)
    assert words(page).split(',')[0] == page.locator('.widget-dropdown select').first.evaluate('s => s.selectedOptions[0].text')


def test_play_runs_and_pauses(page):
    picture = page.locator('.widget-image').first
    before = settle(picture)
    play = page.locator('.jupyter-widget-play button, .widget-play button').first
    play.click()
    assert changes(picture, before)
    play.click()
    settle(picture)
    page.screenshot(path=OUT/'explorer_played.png')


def test_an_animation_moves(page):
    gif = page.locator('.jp-OutputArea img[src^="data:image/gif"]').first
    gif.wait_for()
    assert gif.evaluate('i => i.naturalWidth') > 100
    assert changes(gif, seen(gif))
    page.screenshot(path=OUT/'animation.png')
