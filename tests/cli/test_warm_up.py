"""maudio process --warm-up: the network hears the beginning of a file, backwards, before the file."""
import os
import unittest

from support import CommandTest, Wav, encode, noise, write_wav

FAKE = os.environ.get("MAUDIO_CUDA_FAKE", "")
RATE = 16000


class WarmUp(CommandTest):
    def environment(self):
        return {**super().environment(), "MAUDIO_CUDA_LIBRARY": FAKE}

    def make(self, name, samples, n_channels=1, code="f32"):
        write_wav(self.work(name), encode(samples, code), code, RATE, n_channels)

    def cleaned(self, source, *options):
        self.process(source, "out.wav", *options)
        return Wav(self.work("out.wav")).data

    def check(self, n_frames, seconds, n_channels=1, code="f32"):
        """The same as the end of what becomes of a file with its beginning, backwards, before it."""
        samples = noise(n_frames * n_channels)
        frames = [samples[i:i + n_channels] for i in range(0, len(samples), n_channels)]
        before = frames[:round(seconds * RATE)][::-1]
        self.make("in.wav", samples, n_channels, code)
        self.make("longer.wav", [x for frame in before for x in frame] + samples, n_channels, code)
        found = self.cleaned("in.wav", "--warm-up", f"{seconds:g}")
        expected = self.cleaned("longer.wav")
        size = len(expected) // (len(before) + n_frames)
        self.assertEqual(len(found), n_frames * size)
        self.assertEqual(found, expected[len(before) * size:])
        if before:
            self.assertNotEqual(found, self.cleaned("in.wav"))

    def test_is_the_end_of_a_longer_file(self):
        self.check(40000, 1.5)
        self.check(20000, 0.1, n_channels=2)
        self.check(20000, 0.1, n_channels=3, code="f64")

    def test_files_that_are_shorter(self):
        self.check(5000, 10)
        self.check(1, 10)
        self.make("in.wav", [])
        self.assertEqual(self.cleaned("in.wav", "--warm-up", "3"), b"")

    def test_strength_0_gives_every_bit(self):
        for code in ("s16", "s32", "f64"):
            self.make("in.wav", noise(2 * 9000), 2, code)
            self.assertEqual(self.cleaned("in.wav", "--warm-up", "0.3", "--strength", "0"),
                             Wav(self.work("in.wav")).data)

    def test_a_pipe(self):
        self.make("in.wav", noise(20000), code="s16")
        expected = self.cleaned("in.wav", "--warm-up", "0.5")
        with open(self.work("in.wav"), "rb") as file:
            result = self.run_command("process", "--preset", "test", "--warm-up", "0.5", "-", "piped.wav", stdin=file)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(Wav(self.work("piped.wav")).data, expected)

    @unittest.skipUnless(FAKE, "no stand-in for a GPU")
    def test_on_gpus(self):
        for n_channels, code in ((1, "f32"), (2, "f64"), (3, "s16")):
            for n_frames in (1, 3000, 50000):
                self.make("in.wav", noise(n_frames * n_channels), n_channels, code)
                for seconds in ("0.2", "2"):
                    options = ("--warm-up", seconds, "--device")
                    self.assertEqual(self.cleaned("in.wav", *options, "cuda"), self.cleaned("in.wav", *options, "cpu"))

    def test_refused(self):
        self.make("in.wav", noise(100))
        for text in ("-1", "31", "nan", "", "2 s"):
            result = self.run_command("process", "--preset", "test", "--warm-up", text, "in.wav", "out.wav")
            self.assertEqual(result.returncode, 2)
            self.assertIn(b"--warm-up", result.stderr)
        samples = noise(30000)
        samples[20000] = float("nan")
        self.make("in.wav", samples)
        for device in ("cpu", "cuda") if FAKE else ("cpu",):
            result = self.run_command("process", "--preset", "test", "--warm-up", "1.5", "--device", device, "in.wav",
                                      "out.wav")
            self.assertEqual(result.returncode, 1)
            self.assert_one_sentence(result, "in.wav: sample 20000 of channel 1 is not a number")
            self.assertFalse(os.path.exists(self.work("out.wav")))


if __name__ == "__main__":
    unittest.main()
