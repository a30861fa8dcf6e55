"""maudio generate: audio from a seed, from a prompt, from a state; to files and pipes."""
import os
import pty
import select
import shutil
import signal
import subprocess
import time
import unittest

from support import COMMAND, CommandTest, Wav, decode, encode, noise, write_wav

MODEL = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden",
                     "network_tiers.safetensors")
RATE = 16000  # Of that model


class Generate(CommandTest):
    def setUp(self):
        super().setUp()
        shutil.copy(MODEL, self.path("presets", "tiny.safetensors"))

    def environment(self):
        return dict(super().environment(), MAUDIO_KERNELS=os.environ.get("MAUDIO_KERNELS", ""))

    def generate(self, *arguments, code=0, quiet=True, **kwargs):
        """Run the command with --preset tiny; with --quiet success is silent."""
        result = self.run_command("generate", "--preset", "tiny", *(["--quiet"] if quiet else []), *arguments, **kwargs)
        self.assertEqual(result.returncode, code, result.stderr)
        if code == 0 and quiet:
            self.assertEqual(result.stderr, b"")
        self.assert_nothing_left()
        return result

    def raw(self, *arguments):
        return self.generate(*arguments, "-").stdout

    def data(self, name):
        return Wav(self.work(name)).data

    def read(self, name):
        with open(self.work(name), "rb") as file:
            return file.read()

    def start(self, *arguments, **kwargs):
        process = subprocess.Popen([COMMAND, "generate", "--preset", "tiny", *arguments], cwd=self.work(),
                                   env=self.environment(), stdin=subprocess.DEVNULL, **kwargs)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process


class Seeds(Generate):
    def test_the_same_seed_gives_the_same_file(self):
        for name in ("a.wav", "b.wav", "a.flac", "b.flac"):
            self.generate("--seconds", "0.5", "--seed", "18446744073709551615", name)
        self.assertEqual(self.read("a.wav"), self.read("b.wav"))
        self.assertEqual(self.read("a.flac"), self.read("b.flac"))
        self.generate("--seconds", "0.5", "--seed", "1", "c.wav")
        self.assertNotEqual(self.data("c.wav"), self.data("a.wav"))

    def test_floats_have_no_time_in_them(self):
        self.generate("--seconds", "0.5", "--seed", "1", "--format", "f32", "a.wav")
        time.sleep(1.1)
        self.generate("--seconds", "0.5", "--seed", "1", "--format", "f32", "b.wav")
        self.assertEqual(self.read("a.wav"), self.read("b.wav"))

    def test_a_seed_of_chance_is_shown_and_repeats(self):
        result = self.generate("--seconds", "0.5", "a.wav", quiet=False)
        word, seed = result.stderr.decode().split()
        self.assertEqual(word, "seed")
        self.generate("--seconds", "0.5", "--seed", seed, "b.wav")
        self.assertEqual(self.read("a.wav"), self.read("b.wav"))
        other = self.generate("--seconds", "0.5", "c.wav", quiet=False)
        self.assertNotEqual(other.stderr, result.stderr)
        self.assertIn(f"tiny, seed {seed}, temperature 1, top-p 1".replace("tiny", "tiers").encode(),
                      self.read("a.wav"))

    def test_kernels_agree_for_a_second(self):
        first = self.raw("--seconds", "1", "--seed", "3")
        os.environ["MAUDIO_KERNELS"] = "scalar"
        self.addCleanup(os.environ.pop, "MAUDIO_KERNELS")
        self.assertEqual(self.raw("--seconds", "1", "--seed", "3"), first)

    def test_temperature_and_top_p(self):
        likely = self.raw("--seconds", "0.5", "--seed", "1", "--temperature", "0")
        self.assertEqual(self.raw("--seconds", "0.5", "--seed", "2", "--top-p", "0"), likely)
        usual = self.raw("--seconds", "0.5", "--seed", "1")
        self.assertEqual(self.raw("--seconds", "0.5", "--seed", "1", "--temperature", "1", "--top-p", "1"), usual)
        self.assertEqual(len({likely, usual, self.raw("--seconds", "0.5", "--seed", "1", "--temperature", "1.5"),
                              self.raw("--seconds", "0.5", "--seed", "1", "--top-p", "0.7")}), 4)


class Outputs(Generate):
    def test_length_rate_and_format(self):
        for seconds, n_frames in (("0", 0), ("0.0001", 2), ("0.25", 4000), ("1.5", 24000)):
            self.generate("--seconds", seconds, "out.wav")
            wav = Wav(self.work("out.wav"))
            self.assertEqual((wav.n_frames, wav.rate, wav.n_channels, wav.code), (n_frames, RATE, 1, "s16"))
        self.generate("out.wav")
        self.assertEqual(Wav(self.work("out.wav")).n_frames, 10 * RATE)

    def test_formats_hold_the_same_samples(self):
        exact = decode(self.raw("--seconds", "0.5", "--seed", "1", "--format", "f32"), "f32")
        self.assertGreater(max(map(abs, exact)), 0.1)
        for code in ("s16", "s24", "s32", "f32"):
            arguments = ("--seconds", "0.5", "--seed", "1", "--format", code)
            self.generate(*arguments, "out.wav")
            wav = Wav(self.work("out.wav"))
            self.assertEqual(wav.code, code)
            self.assertEqual(self.raw(*arguments), wav.data)
            self.assertLess(max(abs(a - b) for a, b in zip(wav.channel(0), exact)), 4e-5)

    def test_containers(self):
        wanted = self.raw("--seconds", "0.5", "--seed", "1")
        for name in ("out.flac", "out.aiff", "out.caf", "out.w64", "out"):
            self.generate("--seconds", "0.5", "--seed", "1", name)
            self.generate("--seconds", "0.5", "--seed", "1", "--format", "s24", "deep." + name)
            self.tool("sndfile-convert", "-pcm16", name, "back.wav") if name != "out" else shutil.copy(
                self.work(name), self.work("back.wav"))
            self.assertEqual(self.data("back.wav"), wanted, name)
        self.generate("--seconds", "0.5", "out.ogg")

    def test_a_pipe_gets_samples_as_they_come(self):
        process = self.start("--seconds", "1000000", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.assertTrue(select.select([process.stdout], [], [], 20)[0])
        self.assertEqual(len(process.stdout.read(20000)), 20000)
        process.stdout.close()
        self.assertEqual(process.wait(20), 1)

    def test_a_terminal_gets_no_samples(self):
        outer, inner = pty.openpty()
        self.addCleanup(os.close, outer)
        process = self.start("--quiet", "-", stdout=inner, stderr=subprocess.PIPE)
        os.close(inner)
        self.assertIn(b"is a terminal", process.communicate(timeout=20)[1])
        self.assertEqual(process.returncode, 1)

    def test_progress_on_a_terminal(self):
        outer, inner = pty.openpty()
        self.addCleanup(os.close, outer)
        process = self.start("--seconds", "60", "out.wav", stderr=inner)
        os.close(inner)
        shown = b""
        while process.poll() is None or select.select([outer], [], [], 0)[0]:
            try:
                shown += os.read(outer, 4096)
            except OSError:  # The other side has gone
                break
        self.assertEqual(process.wait(20), 0)
        self.assertIn(b"x realtime", shown)
        self.assertIn(b"%", shown)

    def test_memory_is_constant(self):
        def peak(seconds):
            process = self.start("--quiet", "--seconds", seconds, "out.wav")
            return os.wait4(process.pid, 0)[2].ru_maxrss

        few, many = peak("1"), peak("120")
        self.assertLess(many - few, 1024)  # KiB; the samples are 3.7 MiB


class Interruptions(Generate):
    def check(self, number):
        process = self.start("--seed", "1", "--seconds", "1000000", "--state-out", "state", "out.wav",
                             stderr=subprocess.PIPE)
        time.sleep(1.0)
        process.send_signal(number)
        self.assertEqual(process.communicate(timeout=20)[1], b"")
        self.assertEqual(process.returncode, -number)
        self.assert_nothing_left()
        first = Wav(self.work("out.wav"))
        self.assertGreater(first.n_frames, 0)
        self.generate("--state-in", "state", "--seconds", "0.5", "rest.wav")
        seconds = first.n_frames / RATE + 0.5
        self.generate("--seed", "1", "--seconds", repr(seconds), "whole.wav")
        self.assertEqual(first.data + self.data("rest.wav"), self.data("whole.wav"))

    def test_what_was_made_is_kept_and_can_be_continued(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self.check(number)


class Prompts(Generate):
    def setUp(self):
        super().setUp()
        self.prompt = noise(8000, seed=1, level=0.3)
        write_wav(self.work("in.wav"), encode(self.prompt, "s16"), "s16", RATE)

    def test_the_output_begins_with_it(self):
        arguments = ("--prompt", "in.wav", "--seed", "1", "--seconds", "0.5")
        self.generate(*arguments, "out.wav")
        self.generate(*arguments, "--omit-prompt", "rest.wav")
        self.assertEqual(self.data("out.wav"), self.data("in.wav") + self.data("rest.wav"))
        self.assertEqual(Wav(self.work("rest.wav")).n_frames, RATE // 2)
        self.generate("--seed", "1", "--seconds", "0.5", "other.wav")
        self.assertNotEqual(self.data("rest.wav"), self.data("other.wav"))

    def test_it_is_mixed_and_converted(self):
        """Two channels that cancel but for the prompt; another rate has its length."""
        both = [x for s in self.prompt for x in (0.5 * s + 0.1, 1.5 * s - 0.1)]
        write_wav(self.work("two.wav"), encode(both, "f32"), "f32", RATE, 2)
        write_wav(self.work("one.wav"), encode(self.prompt, "f32"), "f32", RATE)
        wanted = self.generate("--prompt", "one.wav", "--seed", "1", "--seconds", "0.1", "--format", "f32", "-").stdout
        found = self.generate("--prompt", "two.wav", "--seed", "1", "--seconds", "0.1", "--format", "f32", "-").stdout
        pairs = zip(decode(found, "f32")[:8000], decode(wanted, "f32")[:8000])
        self.assertLess(max(abs(a - b) for a, b in pairs), 1e-6)
        for rate in (8000, 44100, 48000, 192000):
            write_wav(self.work("in.wav"), encode(noise(rate // 2, level=0.2), "s16"), "s16", rate)
            self.generate("--prompt", "in.wav", "--seconds", "0.1", "out.wav")
            self.assertAlmostEqual(Wav(self.work("out.wav")).n_frames, RATE // 2 + RATE // 10, delta=2)

    def test_an_empty_one_is_none(self):
        write_wav(self.work("in.wav"), b"", "s16", 48000)
        self.generate("--prompt", "in.wav", "--seed", "1", "--seconds", "0.2", "out.wav")
        self.assertEqual(self.data("out.wav"), self.raw("--seed", "1", "--seconds", "0.2"))

    def test_bad_ones_are_named(self):
        write_wav(self.work("nan.wav"), encode([0.0, float("nan")], "f32"), "f32", RATE)
        with open(self.work("text.wav"), "w", encoding="ascii") as file:
            file.write("no audio")
        write_wav(self.work("slow.wav"), encode(noise(50), "s16"), "s16", 10)
        for name, says in (("nan.wav", "sample 1 is not a finite number"), ("text.wav", "not an audio file"),
                           ("missing.wav", "No such file"), ("slow.wav", "sample rate of 10 Hz")):
            result = self.generate("--prompt", name, "out.wav", code=1)
            self.assert_one_sentence(result, name, says)
            self.assertFalse(os.path.exists(self.work("out.wav")))


class States(Generate):
    def test_continue_bit_for_bit(self):
        whole = self.raw("--seed", "4", "--seconds", "0.75", "--temperature", "0.8", "--top-p", "0.9")
        parts = self.raw("--seed", "4", "--seconds", "0.3", "--temperature", "0.8", "--top-p", "0.9", "--state-out",
                         "first")
        parts += self.raw("--state-in", "first", "--seconds", "0.2", "--state-out", "second")
        parts += self.raw("--state-in", "second", "--seconds", "0.25")
        self.assertEqual(parts, whole)
        self.assertEqual(self.raw("--state-in", "first", "--seconds", "0.2"), whole[9600:16000])
        hot = self.raw("--state-in", "first", "--seconds", "0.2", "--temperature", "1.5")
        self.assertNotEqual(hot, whole[9600:16000])

    def test_bad_ones_are_named(self):
        self.generate("--seconds", "0.1", "--state-out", "state", "out.wav")
        state = self.read("state")
        os.remove(self.work("out.wav"))
        for name, content in (("short", state[:-1]), ("long", state + b"x"), ("empty", b""),
                              ("other", bytes(len(state)))):
            with open(self.work(name), "wb") as file:
                file.write(content)
            self.assert_one_sentence(self.generate("--state-in", name, "out.wav", code=1), name,
                                     "not a state of this model")
        self.assert_one_sentence(self.generate("--state-in", "none", "out.wav", code=1), "none", "No such file")
        self.assertFalse(os.path.exists(self.work("out.wav")))
        self.assert_one_sentence(self.generate("--seconds", "0.1", "--state-out", "no/state", "out.wav", code=1),
                                 "no/state")


class Errors(Generate):
    def test_usage(self):
        for arguments in ((), ("a.wav", "b.wav"), ("--model", MODEL, "a.wav"), ("--seed", "-1", "a.wav"),
                          ("--seed", "18446744073709551616", "a.wav"), ("--seed", "1x", "a.wav"),
                          ("--seconds", "-1", "a.wav"), ("--seconds", "nan", "a.wav"), ("--seconds", "1e9", "a.wav"),
                          ("--temperature", "2.1", "a.wav"), ("--top-p", "1.1", "a.wav"), ("--format", "u8", "a.wav"),
                          ("--seed", "1", "--state-in", "s", "a.wav"), ("--unknown", "a.wav")):
            with self.subTest(arguments=arguments):
                result = self.generate(*arguments, code=2)
                self.assertEqual(len(result.stderr.decode().splitlines()), 2, result.stderr)
                self.assertEqual(os.listdir(self.work()), [])

    def test_models_that_do_something_else(self):
        write_wav(self.work("in.wav"), encode(noise(100), "s16"))
        for arguments, says in ((("generate", "--preset", "test", "out.wav"), "does not"),
                                (("process", "--preset", "tiny", "in.wav", "out.wav"), "removes noise"),
                                (("stream", "--preset", "tiny"), "removes noise")):
            result = self.run_command(*arguments, input=b"")
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assert_one_sentence(result, ".safetensors", "is not a model that")
            self.assertEqual(result.stdout, b"")
        self.assertEqual(os.listdir(self.work()), ["in.wav"])

    def test_the_default_is_a_preset_that_generates(self):
        result = self.run_command("generate", "--quiet", "--seconds", "0.1", "--seed", "1", "out.wav")
        self.assertEqual((result.returncode, result.stderr), (0, b""))

    def test_outputs_that_cannot_be_written(self):
        os.mkdir(self.work("folder"))
        for name in ("folder", "missing/out.wav", "/dev/full"):
            self.assert_one_sentence(self.generate("--seconds", "0.1", name, code=1), name)
        with open(self.work("old.wav"), "wb") as file:
            file.write(b"old")
        write_wav(self.work("nan.wav"), encode([float("nan")], "f32"), "f32", RATE)
        self.generate("--prompt", "nan.wav", "old.wav", code=1)
        self.assertEqual(self.read("old.wav"), b"old")

    def test_help(self):
        result = self.run_command("generate", "--help")
        self.assertEqual(result.returncode, 0)
        for part in (b"--seed=N", b"--state-in=FILE", b"Examples:", b"Exit status"):
            self.assertIn(part, result.stdout)


class Info(Generate):
    def test_text(self):
        text = self.run_command("info", "tiny").stdout.decode()
        for part in ("generate\n", "tiers 3", "every 1 samples", "every 12 samples", "16000 Hz", "MAC/s"):
            self.assertIn(part, text)
        for part in ("bands", "latency", "training"):
            self.assertNotIn(part, text)


if __name__ == "__main__":
    unittest.main()
