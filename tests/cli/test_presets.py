"""The presets that are shipped, on the recording that is shipped: they remove noise and leave the voice."""
import array
import json
import math
import os
import subprocess
import tempfile
import unittest
import wave

from support import Wav, decode, encode, write_wav

COMMAND = os.environ["MAUDIO_COMMAND"]
AUDIO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "audio")
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "MAUDIO_PRESETS"}


def samples(path):
    with wave.open(path) as file:
        return array.array("h", file.readframes(file.getnframes()))


def si_sdr_db(estimate, target):
    """Scale-invariant signal-to-distortion ratio."""
    energy = sum(t * t for t in target)
    scale = sum(e * t for e, t in zip(estimate, target)) / energy
    error = sum((scale * t - e) ** 2 for e, t in zip(estimate, target))
    return 10 * math.log10(scale * scale * energy / error)


class Presets(unittest.TestCase):
    def test_every_preset(self):
        """At least 4 dB better, and not by silence."""
        noisy, clean = (samples(os.path.join(AUDIO, name)) for name in ("noisy.wav", "clean.wav"))
        before = si_sdr_db(noisy, clean)
        listed = subprocess.run([COMMAND, "info", "--json"], env=ENVIRONMENT, check=True, capture_output=True)
        presets = {p["name"]: p for p in json.loads(listed.stdout)["presets"] if p["task"] == "denoise"}
        self.assertLessEqual({"voice", "voice-stage", "voice-live", "voice-zero", "voice-studio"}, set(presets))
        self.assertLessEqual(presets["voice"]["latency_ms"], 32)
        self.assertLessEqual(presets["voice-stage"]["latency_ms"], 16)
        self.assertLessEqual(presets["voice-live"]["latency_ms"], 8)
        self.assertEqual(presets["voice-zero"]["latency_ms"], 0)
        self.assertLessEqual(presets["voice-studio"]["latency_ms"], 32)
        for name in presets:
            with self.subTest(preset=name), tempfile.TemporaryDirectory() as folder:
                out = os.path.join(folder, "out.wav")
                subprocess.run([COMMAND, "process", "--preset", name, os.path.join(AUDIO, "noisy.wav"), out],
                               env=ENVIRONMENT, check=True)
                result = samples(out)
                self.assertEqual(len(result), len(noisy))
                self.assertGreater(si_sdr_db(result, clean), before + 4)

    def test_without_latency(self):
        """Not a bit that comes out depends on what comes in later, nor on the size of blocks."""
        for rate in (16000, 44100, 48000):
            with self.subTest(rate=rate), tempfile.TemporaryDirectory() as folder:
                cut = 7 * rate // 10
                noisy = [x / 32768 for x in samples(os.path.join(AUDIO, "noisy.wav"))[:rate]]
                data = encode(noisy, "f32")
                write_wav(os.path.join(folder, "in.wav"), data, "f32", rate)
                subprocess.run([COMMAND, "process", "--preset", "voice-zero", "in.wav", "out.wav"], cwd=folder,
                               env=ENVIRONMENT, check=True)
                whole = Wav(os.path.join(folder, "out.wav")).data

                def stream(data, *options):
                    return subprocess.run([COMMAND, "stream", "--preset", "voice-zero", "--format", "f32", "--rate",
                                           str(rate), *options], env=ENVIRONMENT, check=True, input=data,
                                          capture_output=True).stdout

                for block in ("1", "17", "64", "4096"):
                    self.assertEqual(stream(data, "--block", block), whole, block)
                    self.assertEqual(stream(data, "--block", block, "--no-compensate"), whole, block)

                noisy[cut] += 0.5
                changed = stream(encode(noisy, "f32"))
                self.assertEqual(changed[:4 * cut], whole[:4 * cut])
                at_once = decode(changed, "f32")[cut] - decode(whole, "f32")[cut]
                self.assertGreater(abs(at_once), 1e-3)

if __name__ == "__main__":
    unittest.main()
