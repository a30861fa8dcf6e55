"""The presets that are shipped, on the recording that is shipped: they remove noise and leave the voice."""
import array
import json
import math
import os
import subprocess
import tempfile
import unittest
import wave

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
        self.assertLessEqual({"voice", "voice-live"}, set(presets))
        self.assertLessEqual(presets["voice"]["latency_ms"], 16)
        self.assertLessEqual(presets["voice-live"]["latency_ms"], 8)
        for name in presets:
            with self.subTest(preset=name), tempfile.TemporaryDirectory() as folder:
                out = os.path.join(folder, "out.wav")
                subprocess.run([COMMAND, "process", "--preset", name, os.path.join(AUDIO, "noisy.wav"), out],
                               env=ENVIRONMENT, check=True)
                result = samples(out)
                self.assertEqual(len(result), len(noisy))
                self.assertGreater(si_sdr_db(result, clean), before + 4)


if __name__ == "__main__":
    unittest.main()
