"""What clips of audio are like, in numbers: to set generated ones beside real ones. Clips are (samples,) at 16 kHz."""
import numpy as np

RATE_HZ = 16000
FRAME, HOP = 512, 128
SILENT_DBFS = -60.0

# Key of measure(): what the table calls it, format
MEASURES = {
    "level_dbfs": ("level, dBFS", "{:.1f}"),
    "range_db": ("loudness range, dB", "{:.1f}"),
    "centroid_hz": ("spectral centroid, Hz", "{:.0f}"),
    "flatness_db": ("spectral flatness, dB", "{:.1f}"),
    "onsets_hz": ("onsets a second", "{:.1f}"),
    "silent": ("silent, %", "{:.1f}"),
    "clipped": ("at full scale, %", "{:.3f}"),
    "repetition": ("self-repetition", "{:.2f}"),
}


def power_frames(x):
    """Hann frames -> power (frames, bins)."""
    frames = np.lib.stride_tricks.sliding_window_view(x, FRAME)[::HOP] * np.hanning(FRAME)
    return np.abs(np.fft.rfft(frames)) ** 2 + 1e-9


def levels_db(x, seconds, step):
    """RMS in dBFS, no less than -90, of windows of `seconds` every `step` seconds."""
    frames = np.lib.stride_tricks.sliding_window_view(x, round(seconds * RATE_HZ))[::round(step * RATE_HZ)]
    return 10 * np.log10(np.mean(frames ** 2, 1) + 1e-9)


def onset_rate(power):
    """Peaks of the rise of the log spectrum in bands, well above what is around them, a second."""
    edges = np.unique(np.geomspace(2, power.shape[1], 25).astype(int))
    bands = 10 * np.log10(np.add.reduceat(power, edges[:-1], axis=1) + 1e-4)
    rise = np.maximum(bands[3:] - bands[:-3], 0).mean(1)
    near = round(0.04 * RATE_HZ / HOP)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(rise, near, mode="edge"), 2 * near + 1)
    peaks = (rise == around.max(1)) & (rise > np.median(around, 1) + 3.0)
    return np.count_nonzero(np.diff(np.flatnonzero(peaks), prepend=-near) >= near) / (len(power) * HOP / RATE_HZ)


def repetition(x, seconds=0.5):
    """How well windows are found again, as they are, anywhere before in the clip: median of the best correlations."""
    n, best = round(seconds * RATE_HZ), []
    for at in range(3 * n, len(x) - n + 1, n):
        window, past = x[at:at + n], x[:at - round(0.1 * RATE_HZ)]
        energy = np.convolve(past ** 2, np.ones(n), "valid")
        if np.mean(window ** 2) < 10 ** (SILENT_DBFS / 10):
            continue
        size = len(past) + n
        match = np.fft.irfft(np.fft.rfft(past, size) * np.conj(np.fft.rfft(window, size)), size)[:len(energy)]
        best.append(np.max(match / np.sqrt(energy * np.sum(window ** 2) + 1e-6)))
    return float(np.median(best)) if best else 0.0


def measure(x):
    power = power_frames(x)
    total = power.sum(1)
    loud = power[total > 1e-4 * total.max()]                               # within 40 dB of the loudest
    hz = np.arange(power.shape[1]) * RATE_HZ / FRAME
    inside = (hz > 50) & (hz < 7000)
    flatness = np.log(loud[:, inside]).mean(1) - np.log(loud[:, inside].mean(1))
    levels = levels_db(x, 0.4, 0.1)
    return {
        "level_dbfs": 10 * np.log10(np.mean(x ** 2) + 1e-9),
        "range_db": np.percentile(levels, 95) - np.percentile(levels, 10),
        "centroid_hz": np.mean(loud @ hz / loud.sum(1)),
        "flatness_db": np.median(flatness) * 10 / np.log(10),
        "onsets_hz": onset_rate(power),
        "silent": 100 * np.mean(levels_db(x, 0.02, 0.02) < SILENT_DBFS),
        "clipped": 100 * np.mean(np.abs(x) > 0.99),
        "repetition": repetition(x),
    }


def table(real, made):
    """Markdown of two lists of measure(): mean, and 10th to 90th percentile."""
    lines = ["| | held-out | generated |", "| --- | --- | --- |"]
    for key, (label, form) in MEASURES.items():
        cells = []
        for clips in (real, made):
            values = [c[key] for c in clips]
            low, high = np.percentile(values, [10, 90])
            cells.append(f"{form.format(np.mean(values))} ({form.format(low)} to {form.format(high)})")
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(path, columns, rows=4):
    """Spectrograms as a PNG: `columns` is {title: clips}, of which the first `rows` are shown."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from PIL import Image
    figure, axes = pyplot.subplots(rows, len(columns), figsize=(3.2 * len(columns), 1.5 * rows), sharex=True, sharey=True)
    for column, (title, clips) in zip(np.atleast_2d(axes).T, columns.items()):
        column[0].set_title(title, fontsize=9)
        for axis, x in zip(column, clips):
            db = 10 * np.log10(power_frames(x)[::4, ::2].T)
            axis.imshow(db, origin="lower", aspect="auto", vmin=-50, vmax=30, cmap="magma",
                        extent=(0, len(x) / RATE_HZ, 0, RATE_HZ / 2000))
            axis.tick_params(labelsize=7)
    axes[-1][0].set_xlabel("s", fontsize=8)
    axes[-1][0].set_ylabel("kHz", fontsize=8)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=72)
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(24, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
