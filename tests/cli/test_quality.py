"""The presets that are shipped denoise the clips of tests/audio as well as their cards say, row "in the tests"."""
import array
import json
import math
import os
import shutil
import struct
import subprocess
import tempfile
import unittest
import wave
from operator import mul

COMMAND = os.environ["MAUDIO_COMMAND"]
AUDIO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "audio")
ROW, COLUMN = "in the tests", "this preset"
NAMES = ("SI-SDR gained", "noise lowered", "SI-SDR of clean input")
ROUNDING_DB = 0.1               # of cards and kernels
RATE = 16000
SETTLE = RATE                   # samples of noise alone before it is measured
SNR_DB = (2, 10)                # of the two mixtures


def energy(x):
    return sum(map(mul, x, x))


def si_sdr_db(estimate, target):
    """Scale-invariant signal-to-distortion ratio."""
    scale = sum(map(mul, estimate, target)) / energy(target)
    error = energy([e - scale * t for e, t in zip(estimate, target)])
    return 10 * math.log10(scale * scale * energy(target) / max(error, 1))


def read(path):
    with wave.open(path) as file:
        return array.array("h", file.readframes(file.getnframes()))


def card_of(path):
    """The figures of a preset's card; () if it has none."""
    column = None
    with open(path.removesuffix(".safetensors") + ".md", encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if COLUMN in cells:
                column = cells.index(COLUMN)
            elif cells[0].startswith(ROW) and column is not None:
                return tuple(float(figure) for figure in cells[column].split("/"))
    return ()


def shortfalls(scores, figures):
    """A sentence for each score below its figure."""
    return [f"{name}: {score:.2f} dB, the card says {figure:g}"
            for name, score, figure in zip(NAMES, scores, figures) if score < figure - ROUNDING_DB]


def damage(source, target, tensor):
    """Copy a model file, with zeros for one of its tensors."""
    with open(source, "rb") as file:
        data = bytearray(file.read())
    n_header = struct.unpack_from("<Q", data)[0]
    begin, end = json.loads(data[8:8 + n_header])[tensor]["data_offsets"]
    data[8 + n_header + begin:8 + n_header + end] = bytes(end - begin)
    with open(target, "wb") as file:
        file.write(data)


class Quality(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.voices, self.noises = (self.clip(name) for name in ("voices", "noises"))

    def clip(self, name):
        path = os.path.join(self.folder, f"{name}.wav")
        subprocess.run(["sndfile-convert", "-pcm16", os.path.join(AUDIO, f"{name}.flac"), path], check=True)
        return read(path)

    def denoised(self, samples, preset, presets):
        source, target = (os.path.join(self.folder, name) for name in ("in.wav", "out.wav"))
        with wave.open(source, "wb") as file:
            file.setparams((1, 2, RATE, len(samples), "NONE", ""))
            file.writeframes(array.array("h", [max(-32768, min(32767, round(x))) for x in samples]).tobytes())
        subprocess.run([COMMAND, "process", "--preset", preset, source, target], check=True,
                       env=os.environ | {"MAUDIO_PRESETS": presets})
        return read(target)

    def scores(self, preset, presets=""):
        """The figures that NAMES names, in dB."""
        level = math.sqrt(energy(self.voices) / energy(self.noises))
        half = len(self.noises) // 2
        gains = []
        for snr_db, noises in zip(SNR_DB, (self.noises, self.noises[half:] + self.noises[:half])):
            gain = level * 10 ** (-snr_db / 20)
            noisy = [v + gain * n for v, n in zip(self.voices, noises)]
            gains.append(si_sdr_db(self.denoised(noisy, preset, presets), self.voices) - si_sdr_db(noisy, self.voices))
        left = energy(self.denoised(self.noises, preset, presets)[SETTLE:])
        return (sum(gains) / len(gains), 10 * math.log10(energy(self.noises[SETTLE:]) / max(left, 1)),
                si_sdr_db(self.denoised(self.voices, preset, presets), self.voices))

    def presets(self):
        """{name: path} of the denoisers that are shipped."""
        listed = subprocess.run([COMMAND, "info", "--json"], check=True, capture_output=True,
                                env=os.environ | {"MAUDIO_PRESETS": ""})
        return {p["name"]: p["path"] for p in json.loads(listed.stdout)["presets"] if p["task"] == "denoise"}

    def test_cards(self):
        for name, path in self.presets().items():
            with self.subTest(preset=name):
                figures, scores = card_of(path), self.scores(name)
                self.assertEqual(len(figures), len(NAMES), f"its card has no row '{ROW}'; it would be {scores}")
                self.assertEqual(shortfalls(scores, figures), [])

    def test_can_fail(self):
        """A figure that is too high and a layer that is lost are seen."""
        path = self.presets()["voice"]
        figures = card_of(path)
        scores = self.scores("voice")
        for k in range(len(NAMES)):
            raised = figures[:k] + (scores[k] + 2 * ROUNDING_DB,) + figures[k + 1:]
            self.assertEqual([s.split(":")[0] for s in shortfalls(scores, raised)], [NAMES[k]])
        damage(path, os.path.join(self.folder, "voice.safetensors"), "backbone.layers.2.mixer.out_proj.weight")
        shutil.copy(path.removesuffix(".safetensors") + ".md", self.folder)
        self.assertNotEqual(shortfalls(self.scores("voice", self.folder), figures), [])


if __name__ == "__main__":
    unittest.main()
