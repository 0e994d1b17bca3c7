"""`import asl_nb` against `import numpy, pandas`, each in fresh processes, in turn."""
import statistics, subprocess, sys, time


def seconds(code):
    "Wall time of a fresh Python that runs a line."
    t = time.perf_counter()
    subprocess.run([sys.executable, '-c', code], check=True)
    return time.perf_counter() - t


def run(real=None, repeats=15):
    pairs = [(seconds('import asl_nb'), seconds('import numpy, pandas')) for _ in range(repeats)]
    ratio = statistics.median(a / b for a, b in pairs)
    return dict(name='import asl_nb / import numpy, pandas', value=round(ratio, 3), unit='×', target='≤ 1.5', met=ratio <= 1.5,
                note=f'median of {repeats} pairs of fresh processes, interpreter start included')


if __name__ == '__main__': print(run())
