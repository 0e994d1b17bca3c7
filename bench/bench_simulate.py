"""Simulated clips a second on one core, before anything is written."""
import os, statistics, time

os.environ.setdefault('OMP_NUM_THREADS', '1')    # before NumPy is loaded

from asl_nb.simulation.motion import make_signers
from asl_nb.simulation.phonology import make_signs
from asl_nb.simulation.corpus import simulate_clips


def run(real=None, repeats=3):
    signs, signers = make_signs(60), make_signers(21)
    speeds = []
    for seed in range(repeats + 1):    # the first run warms the caches up
        start, n = time.process_time(), sum(1 for _ in simulate_clips(signs, signers, 1, seed, style='ragged'))
        speeds.append(n / (time.process_time() - start))
    value = statistics.median(speeds[1:])
    return dict(name='simulating', value=round(value), unit='clips/s (one core)', target='≥ 300', met=value >= 300,
                note=f"ragged style, 38 frames a clip on average, {n:,} clips, median of {repeats} runs of processor time; not a ratio")


if __name__ == '__main__':
    print('simulate: {value} {unit}'.format(**run()))
