"""Hosts that run over a file: the result is that of maudio process."""

import os
import unittest

from support import LATENCY_FRAMES, MONO, STEREO, HostTest, need, read_wav, write_wav


class Lv2apply(HostTest):
    def setUp(self):
        super().setUp()
        need("lv2apply")

    def check(self, uri, n_channels, preset, number):
        path = self.make_input(n_channels)
        wanted = self.process(path, "--preset", preset)
        self.run_program("lv2apply", "-i", path, "-o", "out.wav", "-c", "preset", number, uri)
        found = read_wav(self.path("out.wav"))[1]
        self.check_null(found, wanted, LATENCY_FRAMES[preset], f"lv2apply {uri} {preset}")

    def test_mono(self):
        self.check(MONO, 1, "voice", "0")

    def test_stereo(self):
        self.check(STEREO, 2, "voice-live", "1")

    def test_without_latency(self):
        self.check(MONO, 1, "voice-zero", "2")

    def test_studio(self):
        self.check(STEREO, 2, "voice-studio", "3")

    def test_stage(self):
        self.check(MONO, 1, "voice-stage", "4")

    def test_options(self):
        path = self.make_input(1)
        wanted = self.process(path, "--strength=0.7", "--max-attenuation=12")
        self.run_program("lv2apply", "-i", path, "-o", "out.wav", "-c", "strength", "0.7",
                         "-c", "max_attenuation", "12", MONO)
        found = read_wav(self.path("out.wav"))[1]
        self.check_null(found, wanted, LATENCY_FRAMES["voice"], "lv2apply, options")

    def test_memory(self):
        need("valgrind")
        rate, channels = read_wav(self.make_input(1))
        write_wav(self.path("short.wav"), rate, [channels[0][:rate // 2]])
        environment = dict(os.environ, MAUDIO_KERNELS="avx2")  # valgrind knows no AVX-512
        self.run_program("valgrind", "-q", "--error-exitcode=9", "--leak-check=full",
                         "lv2apply", "-i", "short.wav", "-o", "out.wav", MONO,
                         env=environment)


class Ecasound(HostTest):
    def setUp(self):
        super().setUp()
        need("ecasound")

    def check(self, uri, n_channels, preset, number):
        path = self.make_input(n_channels)
        wanted = self.process(path, "--preset", preset)
        # Enabled, strength, most attenuation, mix, output gain, preset
        self.run_program("ecasound", "-q", f"-f:f32_le,{n_channels},48000", "-a:1", "-i", path,
                         f"-elv2:{uri},1,1,100,1,0,{number}", "-o", "out.wav")
        found = read_wav(self.path("out.wav"))[1]
        self.check_null(found, wanted, LATENCY_FRAMES[preset], f"ecasound {uri} {preset}")

    def test_mono(self):
        self.check(MONO, 1, "voice-live", "1")

    def test_stereo(self):
        self.check(STEREO, 2, "voice", "0")


if __name__ == "__main__":
    unittest.main()
