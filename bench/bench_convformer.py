"""ConvFormer on one thread beside its Keras twin and beside its own matrix products; every model's time for a clip.

All sides in turn in one run, round after round; the figures are processor time (of all threads of this process), since the machine may be busy,
and ratios are medians over the rounds. The Keras side is the twin of the very same weights, compiled (a graph, and with XLA where that works:
the faster of the two counts). Without the extra `keras` those rows are left out, and said.
"""
import os, statistics, sys, tempfile, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault('ASL_NB_QUIET', '1')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import torch
from torch.nn.functional import cross_entropy

from asl_nb.training.module import build_optimizer
from asl_nb.models.registry import build_model, registry
from asl_nb.models.convformer import causal_conv, look_ahead, padded, pointwise, window_gradient
from asl_nb.export.compiled import compile_clips, load_clips
from asl_nb.training.module import keep_memory

SIGNS, FRAMES, B, T = 250, 38, 64, 64      # a clip of asl-signs has 38 frames on average; a step's batch


def keras_side():
    "The function that makes twins, and TensorFlow on one thread; (None, None) without the extra."
    try:
        import tensorflow as tf
        try:
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError: pass              # in use already; processor time counts every thread
        from asl_nb.keras.networks import twin
    except ImportError: return None, None
    return twin, tf


def in_turn(calls, rounds, each=1):
    "Seconds of processor time of each call, by name: a list, an entry for each round; the first rounds warm up."
    times = {k: [] for k in calls}
    for k in range(rounds + 2):
        for name, call in calls.items():
            start = time.process_time()
            for _ in range(each): call()
            if k > 1: times[name].append((time.process_time() - start) / each)
    return times


def quick(times): return min(times) * 1000                       # milliseconds
def ratio(a, b): return statistics.median(x / y for x, y in zip(a, b))


def compiled_twin(tf, ours, *like, kinds=('graph', 'XLA')):
    "Calls of a twin's graph for inputs of one shape: plain, and through XLA where that works."
    spec = [tf.TensorSpec(v.shape, v.dtype) for v in like]
    calls = {}
    for name in kinds:
        f = tf.function(lambda *args: ours(args, training=False), input_signature=spec, jit_compile=name == 'XLA')
        try: f(*like)
        except Exception as e: print(f'   Keras, {name}: {str(e).splitlines()[0][:120]}')
        else: calls[name] = lambda f=f: f(*like).numpy()
    return calls


def a_clip(model, twin, tf, rounds=20):
    "A clip of 38 frames, landmarks to logits: PyTorch as it is, PyTorch compiled ahead, Keras compiled."
    x, mask = torch.rand(1, FRAMES, len(model.rows), 2), torch.ones(1, FRAMES).bool()
    x[:, ::3, model.frontend.left] = torch.nan
    with tempfile.TemporaryDirectory() as d, torch.inference_mode():
        program = load_clips(compile_clips(model, Path(d)/'clip.pt2', FRAMES))
        want = model(x, mask)
        assert (program(x, mask) - want).abs().max() < 1e-4 * want.abs().max()
        calls = {'PyTorch': lambda: model(x, mask), 'PyTorch, compiled': lambda: program(x, mask)}
        if twin:
            graphs = compiled_twin(tf, twin(model), tf.constant(x.numpy()), tf.constant(mask.numpy()))
            for name, call in graphs.items():
                assert abs(call() - want.numpy()).max() < 1e-4 * want.abs().max().item(), name
            calls |= {f'Keras, {k}': f for k, f in graphs.items()}
        return in_turn(calls, rounds, each=5)


def products(model, kept=B):
    """The matrix products and convolutions of a training step, and nothing else: a list of calls, and their operations.
    `kept`: clips for which the parts behind a drop path are computed."""
    D, wide, features = 192, 384, model.branch.in_dim
    calls, flop, keep = [], 0, torch.randn
    maps = [(B, features, D), (B, D, wide)] + [(B, D, wide), (kept, wide, D)] * 6           # stem, top, conv blocks
    maps += [(kept, D, 3 * D), (kept, D, D), (kept, D, wide), (kept, wide, D)] * 2          # attention blocks
    for k, (clips, i, o) in enumerate(maps):
        x, w, g = keep(clips, T, i), keep(o, i), keep(clips, T, o)
        calls += [lambda x=x, w=w: pointwise(x, w), lambda g=g, x=x: g.flatten(0, 1).t() @ x.flatten(0, 1)]
        if k: calls.append(lambda g=g, w=w: pointwise(g, w.t()))   # nobody asks for the gradient of the features
        flop += 2 * clips * T * i * o * (3 if k else 2)
    for _ in range(2):                                          # attention: two products there, four back
        q, a = keep(kept, 4, T, 48), keep(kept, 4, T, T)
        calls += [lambda q=q: q @ q.transpose(-1, -2)] * 2 + [lambda a=a, q=q: a @ q] * 4
        flop += 6 * 2 * kept * 4 * T * T * 48
    for _ in range(6):
        x, w = keep(B, T, wide), keep(wide, 17)
        calls += [lambda x=x, w=w: causal_conv(x, w), lambda x=x, w=w: look_ahead(x, w),
                  lambda x=x, p=padded(x, 16): window_gradient(p, x)]
        flop += 3 * 2 * B * T * wide * 17
    return calls, flop


def a_step(twin, tf, rounds=6):
    """Forward, loss, backward and optimiser on 64 clips of 64 frames of features, beside Keras's and beside the bound: with drop path, which computes
    nothing for a clip that leaves a block out, and without, where every product is computed."""
    model, every = build_model('ConvFormer', SIGNS), build_model('ConvFormer', SIGNS, drop_path=0.)
    x, mask, y = torch.randn(B, T, model.branch.in_dim), torch.ones(B, T).bool(), torch.randint(SIGNS, (B,))
    calls, flop = products(model)
    fewer, less = products(model, round(.8 * B))                   # a fifth of the clips is left out

    lengths = torch.randint(10, T + 1, (B,))
    ragged = torch.arange(T) < lengths[:, None]

    def stepper(model, mask=mask):
        opt, leaf, branch = build_optimizer(model.parameters(), model.config.optimizer), model.leaves['sign'], model.train().branch
        def step():
            opt.zero_grad()
            cross_entropy(leaf(branch(x, mask)).logits, y).backward()
            opt.step()
        return step

    def alone(calls):
        for call in calls: call()
    sides = {'PyTorch': stepper(model), 'PyTorch, ragged': stepper(model, ragged), 'PyTorch, every block': stepper(every), 'bound': lambda: alone(calls), 'least': lambda: alone(fewer)}
    if twin:
        from asl_nb.keras.training import compiled_step
        ours, (kx, km, ky) = twin(model), (tf.constant(v.numpy()) for v in (x, mask, y))
        call = compiled_step(ours, from_features=True).graph
        sides['Keras'] = lambda: call(kx, km, ky).numpy()
    return in_turn(sides, rounds), flop, less


def every_model(twin, tf):
    "Milliseconds a clip of each model of the registry, alone in its batch, and of its twin."
    found = {}
    for name in sorted(registry()):
        try: model = build_model(name, SIGNS).eval()
        except ImportError as e:
            found[name] = str(e)
            continue
        x, mask = torch.rand(1, FRAMES, len(model.rows), 2), torch.ones(1, FRAMES).bool()
        calls = {'PyTorch': lambda: model(x, mask)}
        try: calls |= compiled_twin(tf, twin(model), tf.constant(x.numpy()), tf.constant(mask.numpy()), kinds=['graph']) if twin else {}
        except Exception as e: print(f'   {name}: {str(e).splitlines()[0][:120]}')
        with torch.inference_mode(): times = in_turn(calls, 9)
        found[name] = sum(p.numel() for p in model.parameters()), model.frontend.name, times
    return found


def speed_rows(clip, step, flop, fewer):
    "ConvFormer's figures."
    rows, mine, theirs = [], clip['PyTorch, compiled'], {k: v for k, v in clip.items() if k.startswith('Keras')}
    if theirs:
        best = min(theirs, key=lambda k: statistics.median(theirs[k]))
        r = ratio(mine, theirs[best])
        rows.append(dict(name='ConvFormer, a clip of 38 frames: PyTorch compiled ahead beside the Keras twin compiled', value=round(r, 2),
                         unit='of its time', target='≤ 1', met=r <= 1,
                         note=', '.join(f'{k} {quick(v):.2f} ms' for k, v in clip.items()) + '; landmarks to logits, one thread, equal logits'))
        r = ratio(step['PyTorch'], step['Keras'])
        rows.append(dict(name='ConvFormer, a training step of 64 clips × 64 frames beside the Keras twin\'s', value=round(r, 2), unit='of its time',
                         target='≤ 1', met=r <= 1, note=f'forward, loss, backward, optimiser from features: {quick(step["PyTorch"]):.0f} and '
                         f'{quick(step["Keras"]):.0f} ms, one thread'))
        r = ratio(step['PyTorch, ragged'], step['Keras'])
        rows.append(dict(name='the same with clips of 10 to 64 frames, padded to 64', value=round(r, 2), unit='of its time',
                         note=f'{quick(step["PyTorch, ragged"]):.0f} ms; Keras\'s does the same work whatever is padding'))
    beside = '' if theirs else '; the extra keras is not installed, so nothing beside Keras'
    r = ratio(step['PyTorch, every block'], step['bound'])
    rows.append(dict(name='the step without drop path beside its matrix products and depth-wise convolutions alone', value=round(r, 2),
                     unit='of their time', target='≤ 1.3', met=r <= 1.3, note=f'{flop/1e9:.1f} billion operations in '
                     f'{quick(step["bound"]):.0f} ms, the step {quick(step["PyTorch, every block"]):.0f} ms{beside}'))
    r = ratio(step['PyTorch'], step['least'])
    rows.append(dict(name='the step with drop path beside the products that it computes', value=round(r, 2), unit='of their time',
                     note=f'drop path leaves a fifth of the clips out of most blocks: {fewer/1e9:.1f} billion operations in {quick(step["least"]):.0f} ms'))
    return rows


def model_rows(found):
    "A row for each model of the registry."
    rows = []
    for name, what in found.items():
        if isinstance(what, str):
            rows.append(dict(name=f'{name}, a clip', value='–', note=what))
            continue
        n, frontend, times = what
        beside = [k for k in times if k != 'PyTorch']
        note = f'{n:,} parameters, {frontend}' + ''.join(f'; Keras twin, {k}: {quick(times[k]):.2f} ms' for k in beside)
        if not beside: note += '; no Keras twin'
        rows.append(dict(name=f'{name}, a clip of 38 frames', value=quick(times['PyTorch']), unit='ms', note=note))
    return rows


def run(real=None):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_memory()                              # as the Trainer does; Keras's side gains by it as well
    twin, tf = keras_side()
    try:
        clip = a_clip(build_model('ConvFormer', SIGNS).eval(), twin, tf)
        print('   clip', {k: round(quick(v), 2) for k, v in clip.items()}, flush=True)
        step, flop, fewer = a_step(twin, tf)
        print('   step', {k: round(quick(v)) for k, v in step.items()}, flush=True)
        found = every_model(twin, tf)
    finally: torch.set_num_threads(threads)
    return speed_rows(clip, step, flop, fewer) + model_rows(found)


if __name__ == '__main__':
    for row in run(): print(row)
