"""A live host on a JACK server without a sound card."""

import os
import signal
import subprocess
import unittest

from support import (COMMAND, GENERATOR, LATENCY_FRAMES, MONO, NOISY, ROOT, STEREO, TIERS,
                     HostTest, find_offset, need, read_text, read_wav, rms, wait_for)

SAVE_STATE = os.environ["MAUDIO_SAVE_STATE"]


class Jalv(HostTest):
    def setUp(self):
        super().setUp()
        need("jackd", "jalv", "jack_lsp", "jack_connect", "jack_rec", "jack-play")
        server = f"maudio-{os.getpid()}"
        self.environment = dict(os.environ, JACK_DEFAULT_SERVER=server, JACK_NO_AUDIO_RESERVATION="1")
        self.start("jackd", "--no-realtime", "-n", server, "-d", "dummy", "-r", "48000",
                   "-p", "512", "-C", "2", "-P", "2", env=self.environment)
        wait_for(lambda: "system:capture_1" in self.ports(), "jackd")

    def ports(self, *options):
        done = subprocess.run(["jack_lsp", *options], env=self.environment, timeout=20,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.stdout

    def connect(self, *ports):
        self.run_program("jack_connect", *ports, env=self.environment)

    def start_jalv(self, *arguments):
        """Start jalv on the plugin without an interface, until its ports are there."""
        jalv = self.start("jalv", "-n", "host", "-x", "-i", *arguments, env=self.environment)
        wait_for(lambda: jalv.poll() is not None or "host:" in self.ports(), "jalv")
        self.assertIsNone(jalv.poll(), read_text(jalv.log))
        return jalv

    def check_latency(self, frames):
        wait_for(lambda: f"[ {frames} {frames} ]" in self.ports("-l", "host:"),
                 f"a latency of {frames} frames")

    def check_ends(self, jalv):
        jalv.send_signal(signal.SIGTERM)
        self.assertEqual(jalv.wait(20), 0)

    def test_reports_the_latency_of_the_preset(self):
        for number, name in enumerate(LATENCY_FRAMES):
            jalv = self.start_jalv("-c", f"preset={number}", STEREO)
            self.check_latency(LATENCY_FRAMES[name])
            self.check_ends(jalv)
            wait_for(lambda: "host:" not in self.ports(), "the end of jalv")

    def test_audio_passes_without_its_noise(self):
        jalv = self.start_jalv(MONO)
        self.check_latency(LATENCY_FRAMES["voice"])
        recorder = self.start("jack_rec", "-f", "rec.wav", "-d", "13", "-b", "24", "host:out",
                              env=self.environment)
        wait_for(lambda: "rec" in self.ports("-c", "host:out"), "jack_rec")
        player = self.start("jack-play", "-u", NOISY, env=self.environment)
        wait_for(lambda: ":out_1" in self.ports(), "jack-play")
        source = next(p for p in self.ports().split() if p.endswith(":out_1"))
        self.connect(source, "host:in")
        wait_for(lambda: recorder.poll() is not None, "the recording", 40)
        self.end(player)
        self.check_ends(jalv)

        found = read_wav(self.path("rec.wav"))[1][0]
        noisy = read_wav(NOISY)[1][0]
        clean = self.process(NOISY)[0]
        at = find_offset(found, clean, len(found) - len(clean) // 2)
        middle = range(4 * 48000, 6 * 48000)
        if middle.stop + at > len(found):
            self.fail("the recording is too short")
        error = rms([found[i + at] - clean[i] for i in middle])
        removed = rms([noisy[i] - clean[i] for i in middle])
        print(f"jalv: offset {at}, differs from maudio process by {error:.2g}, "
              f"which removed {removed:.2g}")
        # Where hops begin is chance here, so that the samples are not equal
        self.assertLess(error, 0.5 * removed)
        self.assertGreater(rms([found[i + at] for i in middle]), 0.01)

    def test_the_generator_plays_by_itself(self):
        """The same sound as maudio generate, at the host's rate."""
        need("sox")
        presets = self.path("presets")
        os.mkdir(presets)
        for name in ("percussion", "piano"):
            os.symlink(TIERS, os.path.join(presets, name + ".safetensors"))
        self.environment["MAUDIO_PRESETS"] = presets
        jalv = self.start_jalv("-c", "seed=7", GENERATOR)
        recorder = self.start("jack_rec", "-f", "rec.wav", "-d", "6", "-b", "24", "host:out",
                              env=self.environment)
        self.assertIn("host:control", self.ports())
        wait_for(lambda: recorder.poll() is not None, "the recording", 40)
        self.check_ends(jalv)
        self.run_program(COMMAND, "generate", "--quiet", "--model", TIERS, "--seed", "7", "--seconds", "6",
                         "out.wav")
        self.run_program("sox", "out.wav", "-r", "48000", "-b", "32", "wanted.wav")
        wanted = read_wav(self.path("wanted.wav"))[1][0][150000:200000]
        found = read_wav(self.path("rec.wav"))[1][0]
        at = find_offset(found, wanted, len(found) - 8192)
        error = rms([found[at + i] - wanted[i] for i in range(40000)])
        print(f"jalv: generator, differs by {error:.2g} of {rms(wanted):.2g}")
        # The two conversions of rates differ near 8 kHz
        self.assertLess(error, 0.5 * rms(wanted))

    def test_a_session_brings_its_model_file_back(self):
        model = os.path.join(ROOT, "presets", "voice-live.safetensors")
        os.mkdir(self.path("session"))
        self.run_program(SAVE_STATE, model, self.path("session"))
        jalv = self.start_jalv("-l", self.path("session"))
        self.check_latency(LATENCY_FRAMES["voice-live"])
        self.check_ends(jalv)

    def test_a_session_without_its_model_file_still_plays(self):
        os.mkdir(self.path("session"))
        model = self.path("gone.safetensors")
        os.symlink(os.path.join(ROOT, "presets", "voice-live.safetensors"), model)
        self.run_program(SAVE_STATE, model, self.path("session"))
        state = self.path("session/state.ttl")
        text = read_text(state)
        self.assertIn("voice-live.safetensors", text)
        with open(state, "w", encoding="utf-8") as file:
            file.write(text.replace("voice-live.safetensors", "gone-for-good.safetensors"))
        jalv = self.start_jalv("-l", self.path("session"))
        self.check_latency(LATENCY_FRAMES["voice"])
        self.check_ends(jalv)
        self.assertIn("gone-for-good.safetensors", read_text(jalv.log))


if __name__ == "__main__":
    unittest.main()
