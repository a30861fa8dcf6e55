"""What `maudio process` makes with NEON is what it makes with the kernels of this machine; run by test_neon.sh.

MAUDIO_COMMAND is of this machine, MAUDIO_EMULATED runs the other one.
"""

import os
import unittest

from support import COMMAND, NOISY, HostTest, decibels, difference_dbfs, read_wav, rms, write_wav

EMULATED = os.environ["MAUDIO_EMULATED"]

SECONDS = 3  # Emulation takes several hundred times as long

# Of full scale, the greatest difference of a sample: the kernels differ in the order of sums
MOST_DBFS = -120.0
# In int8, of kernels whose activations are integers, too
MOST_INT8_DBFS = {"avx2": -80.0, "avx512vnni": -36.0}


def environment(kernels):
    return dict(os.environ, MAUDIO_KERNELS=kernels)


class Outputs(HostTest):
    def kernels_here(self):
        """Those of this machine that NEON is compared with."""
        for name in ("scalar", "avx2", "avx512", "avx512vnni"):
            if f"{name} kernels" in self.run_program(COMMAND, "--version", env=environment(name)).stdout:
                yield name

    def check(self, what, *options):
        rate, (noisy,) = read_wav(NOISY)
        heard = noisy[2 * rate:(2 + SECONDS) * rate]
        path = self.path("in.wav")
        write_wav(path, rate, [heard])
        self.run_program(EMULATED, "process", *options, path, "neon.wav", timeout=600)
        found = read_wav(self.path("neon.wav"))[1][0]
        for kernels in self.kernels_here():
            self.run_program(COMMAND, "process", *options, path, "native.wav", env=environment(kernels))
            wanted = read_wav(self.path("native.wav"))[1][0]
            self.assertEqual(len(found), len(wanted))
            self.assertGreater(decibels(rms([a - b for a, b in zip(heard, wanted)])), -40.0)
            worst = difference_dbfs(found, wanted, 0)
            mean = decibels(rms([a - b for a, b in zip(found, wanted)]))
            print(f"{what}: neon and {kernels} differ by {worst:.1f} dBFS at most, {mean:.1f} dBFS rms", flush=True)
            limits = MOST_INT8_DBFS if "int8" in what else {}
            self.assertLess(worst, limits.get(kernels, MOST_DBFS))

    def test_voice(self):
        self.check("voice", "--preset", "voice")

    def test_voice_studio(self):
        self.check("voice-studio", "--preset", "voice-studio")

    def test_voice_live(self):
        self.check("voice-live", "--preset", "voice-live")

    def test_voice_in_int8(self):
        presets = os.path.join(os.path.dirname(__file__), "..", "..", "presets")
        model = os.path.abspath(os.path.join(presets, "voice.safetensors"))
        self.run_program(COMMAND, "quantize", model, "voice-int8.safetensors")
        self.run_program(EMULATED, "quantize", model, "neon-int8.safetensors")
        with open(self.path("voice-int8.safetensors"), "rb") as a, open(self.path("neon-int8.safetensors"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.check("voice in int8", "--model", self.path("voice-int8.safetensors"))


if __name__ == "__main__":
    unittest.main()
