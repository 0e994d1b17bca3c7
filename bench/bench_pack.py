"""Packing: beside a bare loop that reads, hashes and decodes the same columns and does nothing else; its memory; the seed's way."""
import multiprocessing, os, shutil, statistics, subprocess, sys, tempfile, threading, time
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ['frame', 'type', 'landmark_index', 'x', 'y']     # what packing reads: x and y to keep, the others to check
WORKERS = min(len(os.sched_getaffinity(0)), 8)
ALL = 94_477    # clips of asl-signs
OUT = Path(__file__).resolve().parents[1]/'out'/'bench'


def bare(paths, codes):
    "What no packer can do without: read the bytes, hash them, decode the columns; `codes`: the names of parts as numbers, not text."
    pa.set_cpu_count(1)
    for path in paths:
        with open(path, 'rb', buffering=0) as f: data = f.readall()
        blake2b(data, digest_size=16).hexdigest()
        pq.ParquetFile(pa.BufferReader(data), read_dictionary=['type'] if codes else None).read(COLUMNS, use_threads=False)


def seeds_way(corpus, folder):
    "A pandas read, gaps filled, resized to 32 frames, one `.npy` a clip, in one process."
    import pandas as pd
    from asl_nb.data.landmarks import N_ROWS, subset
    from asl_nb.preprocessing.clip import preprocess_data_to_same_size
    rows = subset('seed96')
    for i in range(len(corpus)):
        xy = pd.read_parquet(corpus.path(i), columns=['x', 'y']).to_numpy(np.float32).reshape(-1, N_ROWS, 2)
        np.save(folder/f'{i}.npy', preprocess_data_to_same_size(xy[:, rows])[0])


def simulated():
    "1,200 clips as ragged as asl-signs, made once."
    from asl_nb.data.corpus import Corpus
    from asl_nb.simulation.corpus import simulate_corpus
    where = OUT/'ragged'
    if not where.exists(): simulate_corpus(where, 20, 12, 5, style='ragged')
    return Corpus.read(where)


def repeated(corpus, n):
    "A corpus of `n` clips: the table again and again. Once read, each file lies in memory for both sides."
    from asl_nb.data.corpus import Corpus
    table = corpus.clips.iloc[np.resize(np.arange(len(corpus)), n)].reset_index(drop=True)
    table['sequence_id'] = np.arange(n)
    return Corpus(corpus.root, table, corpus.signs)


def cpu(pids=()):
    "Seconds of processor that this process, its children that have ended, and the given ones have used."
    import psutil, resource
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used) + sum(sum(psutil.Process(p).cpu_times()[:2]) for p in pids)


def throughput(corpus, n, repeats=5):
    "Clips a second, and ms of processor a clip, of packing and of two bare loops: in turn, after a round that does not count."
    from asl_nb.data.pack import pack_corpus
    corpus = repeated(corpus, n)
    paths = [str(corpus.path(i)) for i in range(n)]
    batches = [paths[i:i+64] for i in range(0, n, 64)]
    took = {name: ([], []) for name in ('pack', 'text', 'codes')}
    def pack():     # with the start of the workers, the index and every fsync
        pack_corpus(corpus, Path(tmp)/'pack', workers=WORKERS, show_progress=False)
    def loop(codes):        # its processes are up and warm
        list(pool.map(bare, batches, [codes]*len(batches)))
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context('spawn')) as pool:
        ways = dict(pack=pack, text=lambda: loop(False), codes=lambda: loop(True))
        loop(True)
        for i in range(repeats + 1):
            for name in list(ways)[::1 if i % 2 else -1]:
                with tempfile.TemporaryDirectory(dir=OUT) as tmp:
                    c, t = cpu(pool._processes), time.perf_counter()
                    ways[name]()
                    speed, spent = n/(time.perf_counter() - t), (cpu(pool._processes) - c)/n*1e3
                if i: took[name][0].append(speed); took[name][1].append(spent)
                print(f'   round {i} {name}: {speed:,.0f} clips/s, {spent:.2f} ms of processor a clip', flush=True)
    return took


def reading(corpus, repeats=9):
    "ms of processor a clip of `read_landmarks`, with and without its checks, and of pyarrow: all read and hash the file; the least of some rounds."
    from asl_nb.data.recording import read_landmarks
    paths = [str(corpus.path(i)) for i in range(min(len(corpus), 300))]
    def data(path):
        with open(path, 'rb', buffering=0) as f: data = f.readall()
        blake2b(data, digest_size=16).hexdigest()
        return data
    ways = dict(ours=lambda p: read_landmarks(data(p), 'union', 'xy'), unchecked=lambda p: read_landmarks(data(p), 'union', 'xy', check=False),
                loop=lambda p: bare([p], False), table=lambda p: pq.read_table(pa.BufferReader(data(p)), columns=COLUMNS, use_threads=False))
    took = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            c = time.process_time()
            for path in paths: way(path)
            took[name].append((time.process_time() - c)/len(paths)*1e3)
    return {name: min(t) for name, t in took.items()}


def ratio(a, b):
    "Median over the rounds of a/b, and the smallest and largest."
    r = [x/y for x, y in zip(a, b)]
    return statistics.median(r), f'{min(r):.2f} to {max(r):.2f} in {len(r)} rounds'


def memory(corpus, n):
    "Largest sum of resident memory of the packing process and its workers in MB, seconds it took."
    import psutil
    table = repeated(corpus, n).clips
    with tempfile.TemporaryDirectory(dir=OUT) as tmp:
        table.to_csv(Path(tmp)/'train.csv', index=False)
        code = (f'import pandas as pd; from asl_nb.data.corpus import Corpus; from asl_nb.data.pack import pack_corpus\n'
                f'c = Corpus.read({str(corpus.root)!r}); t = pd.read_csv({tmp + "/train.csv"!r})\n'
                f'pack_corpus(Corpus(c.root, t, c.signs), {tmp + "/pack"!r}, workers={WORKERS}, show_progress=False)')
        t, peak = time.perf_counter(), 0
        child = psutil.Popen([sys.executable, '-c', code])
        while child.poll() is None:
            try: peak = max(peak, sum(p.memory_info().rss for p in [child, *child.children(recursive=True)]))
            except psutil.NoSuchProcess: pass
            time.sleep(.05)
        if child.returncode: raise RuntimeError('packing failed')
        return peak/1e6, time.perf_counter() - t


def rows_of(corpus, what, n):
    "The ratios on one corpus."
    took = throughput(corpus, n)
    speed, spent = ({k: statistics.median(v[i]) for k, v in took.items()} for i in (0, 1))
    text, text_spread = ratio(took['pack'][0], took['text'][0])
    codes, codes_spread = ratio(took['pack'][0], took['codes'][0])
    figures = lambda k: f'{speed["pack"]:,.0f} and {speed[k]:,.0f} clips/s, {spent["pack"]:.2f} and {spent[k]:.2f} ms of processor a clip'
    one = reading(corpus)
    return [dict(name=f'bare pyarrow / read_landmarks by time of processor, {what}', value=one['loop']/one['ours'], unit='x', target=None,
                 note=f'{one["ours"]:.2f} ms a clip, checked, beside {one["loop"]:.2f} of a loop that looks at nothing, {one["unchecked"]:.2f} without its '
                      f'checks and {one["table"]:.2f} of pq.read_table; all read and hash the file, one process'),
            dict(name=f'packing / bare loop, {what}', value=text, unit='x', target='≥ 0.8', met=text >= .8,
                 note=f'{figures("text")}; {n:,} files, {WORKERS} processes, {text_spread}. The loop reads, hashes and decodes '
                      f'{", ".join(COLUMNS)} in processes that are up already; packing starts its own, and one more that writes'),
            dict(name=f'packing / bare loop that decodes `type` as codes, {what}', value=codes, unit='x', target=None,
                 note=f'the fastest pyarrow can: {figures("codes")}; {codes_spread}'),
            dict(name=f'the same by time of processor, {what}', value=spent['text']/spent['pack'], unit='x', target=None,
                 note=f'{spent["codes"]/spent["pack"]:.2f} beside the loop with codes. On a busy machine this is the fairer figure: the '
                      'process that writes is one more than the loop has, and so gets a larger share')]


def run(real=None):
    "All figures as rows for the table."
    from asl_nb.data.corpus import Corpus
    OUT.mkdir(parents=True, exist_ok=True)
    corpus = simulated()
    res = rows_of(corpus, 'simulated ragged clips', 9_000)
    if real: res += rows_of(Corpus.read(Path(real)/'asl_signs'), 'genuine asl-signs clips', 9_000)
    n = ALL if shutil.disk_usage(OUT).free > 20e9 else 10_000
    peak, seconds = memory(corpus, n)
    res.append(dict(name=f'memory of packing {n:,} clips', value=round(peak), unit='MB', target='< 1,000', met=peak < 1000,
                    note=f'resident, parent and {WORKERS} workers added up; {seconds:.0f} s, {n/seconds:,.0f} clips/s'))
    part = corpus.subset(np.arange(300))
    with tempfile.TemporaryDirectory(dir=OUT) as tmp:
        t = time.perf_counter()
        seeds_way(part, Path(tmp))
        speed = len(part)/(time.perf_counter() - t)
    res.append(dict(name="the seed's way", value=round(speed), unit='clips/s', target=None,
                    note='pandas, gaps filled, 32 frames, one .npy a clip, one process; on the simulated clips'))
    return res


if __name__ == '__main__':
    for row in run(os.environ.get('ASL_REAL_DATA')): print(f'{row["name"]}: {row["value"]:.3g} {row["unit"]} ({row["note"]})')
