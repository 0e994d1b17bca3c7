#!/usr/bin/env python3
"""The whole way once, on simulated signs: simulate, pack, train, evaluate on unseen signers, recognise one recording.

usage: demo.py [--out out/demo] [--model GRUPredictor] [--epochs N]

Writes OUT/… and out/report.html, a page with the figures. Under five minutes on two processor cores.
"""
import argparse, base64, html, io, os, platform, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
os.chdir(ROOT)
os.environ.setdefault('MPLBACKEND', 'agg')

PAGE = '''<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>asl_nb: what the demo found</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
 body {{ font: 17px/1.55 system-ui, sans-serif; max-width: 52rem; margin: 2.5rem auto; padding: 0 1rem; color: #1c2430 }}
 h1 {{ font-size: 1.9rem; margin-bottom: .2rem }} h2 {{ margin-top: 2.2rem; font-size: 1.25rem }}
 .big {{ font-size: 2.4rem; font-weight: 650 }} .note {{ background: #f3f5f8; padding: .8rem 1rem; border-radius: .5rem }}
 img {{ max-width: 100%; height: auto }} table {{ border-collapse: collapse; margin: .6rem 0 }}
 td, th {{ padding: .25rem .9rem .25rem 0; text-align: left; font-variant-numeric: tabular-nums }} th {{ border-bottom: 1px solid #c6ccd6 }}
 code {{ background: #f3f5f8; padding: .1rem .3rem; border-radius: .25rem }} .bar {{ background: #0072b2; height: .8rem; border-radius: .2rem }}
</style></head><body>
<h1>What the demo found</h1>
<p>{when} · {machine} · {seconds:.0f} seconds in all</p>
<p class="note">The signs here are <b>invented movements, not American Sign Language</b>. They show that every part works and fits
the next; they say nothing about accuracy on real signing. For that, see the results in the README.</p>
{body}
</body></html>
'''


def figure(fig):
    "A matplotlib figure as an <img>."
    import matplotlib.pyplot as plt
    buf = io.BytesIO()
    fig.savefig(buf, format='png', dpi=110, bbox_inches='tight')
    plt.close(fig)
    return f'<p><img alt="figure" src="data:image/png;base64,{base64.b64encode(buf.getvalue()).decode()}"></p>'


def table(rows, head):
    "Rows of cells as an HTML table."
    line = lambda cells, tag: '<tr>' + ''.join(f'<{tag}>{c}</{tag}>' for c in cells) + '</tr>'
    return '<table>' + line(head, 'th') + ''.join(line(r, 'td') for r in rows) + '</table>'


def step(n, text): print(f'\n[{n}/5] {text}', flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--out', type=Path, default=Path('out/demo'))
    p.add_argument('--model', default='GRUPredictor')
    p.add_argument('--epochs', type=int, default=10)
    a = p.parse_args()
    start, times = time.time(), []
    clock = lambda name: times.append((name, time.time() - start - sum(t for _, t in times)))
    run_folder = a.out/'runs'/time.strftime('%Y%m%d-%H%M%S')           # what is there is replaced only where it is a corpus or a pack of ours

    from matplotlib import pyplot as plt
    from asl_nb import draw_frame, evaluate, pack_corpus, SignPredictor, simulate_corpus, train
    from asl_nb.training import metrics

    step(1, 'simulate signers and signs (invented movements, not American Sign Language)')
    corpus = simulate_corpus(a.out/'raw', n_signs=24, n_signers=10, clips_per_sign_per_signer=4, style='ragged', overwrite=True)
    clock('simulate')
    step(2, 'pack the recordings into one memory-mapped file')
    pack = pack_corpus(a.out/'raw', a.out/'pack', overwrite=True)
    clock('pack')
    step(3, f'train {a.model}; the best epoch is chosen on validation signers')
    overrides = {'train.epochs': a.epochs}
    run = train(a.out/'pack', model=a.model, out=run_folder, **overrides)
    clock('train')
    step(4, 'evaluate on signers that were never seen in training')
    found = evaluate(run.model_file, a.out/'pack', split='test', out=a.out/'evaluation')
    print(found)
    clock('evaluate')
    step(5, 'recognise one recording of an unseen signer')
    row = pack.clips.iloc[int(found.clips[0])]
    clip = a.out/'raw'/row['path']
    signs = SignPredictor.from_file(run.model_file).predict(clip, top=5)
    print(f'signed: {row["sign"]}\n' + '\n'.join(f'  {q:6.1%}  {s}' for s, q in signs))
    clock('recognise')

    s, rec = found.scores, corpus[int(corpus.clips.index[corpus.clips['path'] == row['path']][0])]
    seen = [t for t in range(len(rec)) if rec.seen('left_hand')[t] or rec.seen('right_hand')[t]] or [0]
    strip, axes = plt.subplots(1, 5, figsize=(9, 2.2))
    for k, ax in enumerate(axes): draw_frame(rec.xyz[seen[k * (len(seen) - 1) // 4]], ax=ax).set(xlim=(.1, .9), ylim=(1, 0))
    history, curves = run.history, plt.figure(figsize=(6, 2.6))
    ax = curves.add_subplot()
    for name in ('train_accuracy', 'valid_accuracy'):
        if name in history: ax.plot(history.epoch, history[name], label=name.replace('_', ' '))
    ax.set(xlabel='epoch', ylabel='accuracy', ylim=(0, 1))
    ax.legend(frameon=False)
    bars = table([(html.escape(name), f'{q:.1%}', f'<div class="bar" style="width:{240 * q:.0f}px"></div>') for name, q in signs],
                 ('sign', 'probability', ''))
    chance = 1 / len(pack.signs)
    verdict = 'The first guess is right.' if signs[0][0] == row['sign'] else 'The first guess is wrong here.'
    body = f'''
<p class="big">{s["accuracy"]:.1%}</p><p>of the clips of {len(found.per_signer)} signers never seen in training get the right one
of {len(pack.signs)} signs (chance: {chance:.1%}; top 5: {s["top5_accuracy"]:.1%}; macro F1: {s["f1"]:.3f}).</p>
<h2>One recording, recognised</h2>{figure(strip)}<p>Signed: <code>{html.escape(str(row["sign"]))}</code>. {verdict}</p>{bars}
<h2>Every unseen signer by itself</h2>{figure(metrics.plot_per_signer(found.per_signer).figure)}
<h2>What is taken for what</h2>{figure(metrics.plot_confusions(found.confusions).figure)}
<h2>Can its probabilities be believed?</h2>{figure(metrics.plot_reliability(found.calibration).figure)}
<h2>Training</h2>{figure(curves)}
<h2>Where the time went</h2>{table([(n, f"{t:.0f} s") for n, t in times], ("step", "time"))}
<h2>Do it yourself</h2><pre>asl_simulate {a.out}/raw --signs 24 --signers 10 --clips 4 --style ragged
asl_pack {a.out}/raw {a.out}/pack
asl_train {a.out}/pack --model {a.model} --epochs {a.epochs} --out {run_folder}
asl_evaluate {run.model_file} {a.out}/pack
asl_predict {run.model_file} {clip}</pre>'''
    machine = f'{os.cpu_count()} cores, Python {platform.python_version()}'
    page = PAGE.format(when=time.strftime('%Y-%m-%d'), machine=machine, seconds=time.time() - start, body=body)
    report = Path('out/report.html')
    report.parent.mkdir(exist_ok=True)
    new = report.with_suffix('.tmp')
    new.write_text(page, encoding='utf-8')
    new.replace(report)
    print(f'\n{s["accuracy"]:.1%} on unseen signers (chance {chance:.1%}) after {time.time() - start:.0f} s. Open {report}')


if __name__ == '__main__': main()
