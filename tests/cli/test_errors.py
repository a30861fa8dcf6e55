"""maudio process: bad input gets one sentence and an exit code, and the output stays as it was."""
import math
import os
import pty
import resource
import subprocess
import unittest

from support import (COMMAND, CommandTest, encode, noise, test_model_config, test_model_tensors, write_model,
                     write_wav)

KEPT = b"what was here before"


class Kept(CommandTest):
    """Has an in.wav, and an out.wav that is to stay as it was."""

    def setUp(self):
        super().setUp()
        write_wav(self.work("in.wav"), encode(noise(20000), "s16"))
        with open(self.work("out.wav"), "wb") as file:
            file.write(KEPT)

    def refuse(self, *arguments, says, code=1, **kwargs):
        before = sorted(os.listdir(self.work()))
        result = self.process(*arguments, code=code, **kwargs)
        self.assertEqual(result.stdout, b"")
        self.assert_one_sentence(result, *says)
        with open(self.work("out.wav"), "rb") as file:
            self.assertEqual(file.read(), KEPT)
        self.assertEqual(sorted(os.listdir(self.work())), before)

    def content(self, name="in.wav"):
        with open(self.work(name), "rb") as file:
            return file.read()

    def put(self, name, content):
        with open(self.work(name), "wb") as file:
            file.write(content)


class Refused(Kept):
    def test_missing(self):
        self.refuse("missing.wav", "out.wav", says=["missing.wav", "No such file"])

    def test_not_audio(self):
        self.put("text.wav", b"All work and no play makes Jack a dull boy.\n" * 50)
        self.refuse("text.wav", "out.wav", says=["text.wav", "not an audio file"])
        self.put("random.wav", os.urandom(5000).replace(b"\xff", b"\0"))
        self.refuse("random.wav", "out.wav", says=["random.wav"])

    def test_empty(self):
        self.put("empty.wav", b"")
        self.refuse("empty.wav", "out.wav", says=["empty.wav", "is empty"])
        self.refuse("-", "out.wav", says=["standard input", "is empty"], input=b"")

    def test_folder_for_input(self):
        os.mkdir(self.work("folder"))
        result = self.process("folder", "out.wav", code=2)
        self.assertIn(b"folder: is a folder", result.stderr)
        self.assertEqual(self.content("out.wav"), KEPT)

    def test_truncated_wav(self):
        content = self.content()
        for n_bytes in (1, 2, 1000, len(content) - 44):
            with self.subTest(n_bytes=n_bytes):
                self.put("cut.wav", content[:-n_bytes])
                self.refuse("cut.wav", "out.wav", says=["cut.wav", "truncated", "40000"])
                self.refuse("-", "out.wav", says=["standard input", "truncated"], input=content[:-n_bytes])
        self.put("head.wav", content[:30])
        self.refuse("head.wav", "out.wav", says=["head.wav"])

    def test_other_truncated_containers(self):
        for extension in ("aiff", "w64", "caf", "au", "rf64"):
            with self.subTest(extension=extension):
                self.tool("sndfile-convert", "in.wav", "whole." + extension)
                self.put("cut." + extension, self.content("whole." + extension)[:-5000])
                self.refuse("cut." + extension, "out.wav", says=["cut." + extension, "truncated"])

    def test_truncated_ogg(self):
        for option, extension in (("-vorbis", "ogg"), ("-opus", "opus")):
            with self.subTest(extension=extension):
                self.tool("sndfile-convert", option, "in.wav", "whole." + extension)
                self.put("cut." + extension, self.content("whole." + extension)[:-700])
                self.refuse("cut." + extension, "out.wav", says=["cut." + extension, "truncated"])

    def test_damaged_flac(self):
        self.tool("sndfile-convert", "in.wav", "in.flac")
        for n_bytes in (1, 5000, 20000):
            self.put("cut.flac", self.content("in.flac")[:-n_bytes])
            self.refuse("cut.flac", "out.wav", says=["cut.flac", " after "])
        content = bytearray(self.content("in.flac"))
        content[len(content) // 2:len(content) // 2 + 40] = bytes(40)
        self.put("damaged.flac", content)
        self.refuse("damaged.flac", "out.wav", says=["damaged.flac", "is damaged after"])

    def test_samples_that_are_no_numbers(self):
        for code in ("f32", "f64"):
            for value, says in ((math.nan, "not a number"), (math.inf, "infinite"), (-math.inf, "infinite")):
                with self.subTest(code=code, value=value):
                    samples = noise(2 * 9000)
                    samples[2 * 8765 + 1] = value
                    write_wav(self.work("bad.wav"), encode(samples, code), code, 16000, 2)
                    self.refuse("bad.wav", "out.wav", says=["bad.wav", "sample 8765 of channel 2", says])
        write_wav(self.work("bad.wav"), encode([0.0, 1e300], "f64"), "f64")
        self.refuse("bad.wav", "out.wav", says=["sample 1 of channel 1", "out of range"])

    def test_sample_rates(self):
        for rate in (4000, 7999, 192001, 384000):
            with self.subTest(rate=rate):
                write_wav(self.work("bad.wav"), encode(noise(100), "s16"), "s16", rate)
                self.refuse("bad.wav", "out.wav", says=["bad.wav", f"sample rate of {rate} Hz", "8000 to 192000"])

    def test_rate_that_the_output_cannot_have(self):
        write_wav(self.work("odd.wav"), encode(noise(3000), "s16"), "s16", 44100)
        self.refuse("odd.wav", "out.opus", says=["out.opus", "sample rate"])

    def test_unwritable(self):
        self.refuse("in.wav", "nowhere/out.wav", says=["nowhere/out.wav", "No such file"])
        self.refuse("in.wav", "in.wav/out.wav", says=["in.wav/out.wav", "Not a directory"])
        self.refuse("in.wav", "-o", "out.wav/", code=1, says=["out.wav"])
        self.refuse("in.wav", "/proc/out.wav", says=["/proc/out.wav", "cannot be written"])

    def test_no_permission(self):
        """As root without the capability to write everywhere."""
        os.mkdir(self.work("locked"), 0o500)
        os.chmod(self.work("out.wav"), 0o400)
        wrapper = [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override"]
        for name in ("locked/out.wav", "out.wav"):
            result = subprocess.run([*wrapper, COMMAND, "process", "--preset", "test", "in.wav", name],
                                    cwd=self.work(), env=self.environment(), capture_output=True, timeout=60)
            self.assertEqual(result.returncode, 1)
            self.assert_one_sentence(result, name, "cannot be written: Permission denied")
        self.assertEqual(self.content("out.wav"), KEPT)
        self.assertEqual(os.listdir(self.work("locked")), [])

    def test_full_disk(self):
        self.refuse("in.wav", "/dev/full", says=["/dev/full", "No space left"])
        with open("/dev/full", "wb") as full:
            result = subprocess.run([COMMAND, "process", "--preset", "test", "in.wav", "-"], cwd=self.work(),
                                    env=self.environment(), stdout=full, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assert_one_sentence(result, "standard output", "No space left")

    def test_limit_of_file_size(self):
        """A write that fails midway, at the header's last update, and in the encoder's."""
        def limit(n_bytes):
            return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))

        for name, n_bytes in (("out.wav", 0), ("out.wav", 20), ("out.wav", 20000), ("out.wav", 40043),
                              ("new.flac", 9000), ("new.ogg", 2000)):
            with self.subTest(name=name, n_bytes=n_bytes):
                self.refuse("in.wav", name, says=[name, "cannot be written: File too large"],
                            preexec_fn=limit(n_bytes))

    def test_closed_pipe(self):
        read, write = os.pipe()
        os.close(read)
        self.addCleanup(os.close, write)
        result = subprocess.run([COMMAND, "process", "--preset", "test", "in.wav", "-"], cwd=self.work(),
                                env=self.environment(), stdout=write, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr.decode(), "maudio: standard output: Broken pipe\n")

    def test_terminals(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        self.refuse("-", "out.wav", says=["standard input: is a terminal"], stdin=theirs)
        result = subprocess.run([COMMAND, "process", "--preset", "test", "in.wav", "-"], cwd=self.work(),
                                env=self.environment(), stdout=theirs, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assert_one_sentence(result, "standard output: is a terminal")


class BadModels(Kept):
    def refuse_model(self, path, *says):
        result = self.run_command("process", "--model", path, "in.wav", "out.wav")
        self.assertEqual(result.returncode, 1)
        self.assert_one_sentence(result, *says)
        self.assertEqual(self.content("out.wav"), KEPT)
        self.assert_nothing_left()

    def test_missing_model(self):
        self.refuse_model("missing.safetensors", "missing.safetensors", "No such file")

    def test_missing_preset(self):
        result = self.run_command("process", "--preset", "nothing", "in.wav", "out.wav")
        self.assertEqual(result.returncode, 1)
        self.assert_one_sentence(result, "nothing")

    def test_truncated_model(self):
        with open(self.path("presets", "test.safetensors"), "rb") as file:
            content = file.read()
        for n_bytes in (0, 7, 8, 300, len(content) - 1):
            with self.subTest(n_bytes=n_bytes):
                self.put("cut.safetensors", content[:n_bytes])
                self.refuse_model("cut.safetensors", "cut.safetensors")

    def test_wrong_shape(self):
        tensors = test_model_tensors()
        tensors["band_out.bias"] = ((257,), [0.0] * 257)
        write_model(self.work("shape.safetensors"), tensors=tensors)
        self.refuse_model("shape.safetensors", "shape.safetensors", "band_out.bias", "257", "514")

    def test_missing_tensor(self):
        tensors = test_model_tensors()
        del tensors["backbone.layers.0.mixer.A_log"]
        write_model(self.work("missing.safetensors"), tensors=tensors)
        self.refuse_model("missing.safetensors", "missing.safetensors", "backbone.layers.0.mixer.A_log")

    def test_unknown_version(self):
        write_model(self.work("new.safetensors"), config=dict(test_model_config(), format_version="2.0"))
        self.refuse_model("new.safetensors", "new.safetensors", "2.0")

    def test_audio_for_model(self):
        self.refuse_model("in.wav", "in.wav")


class Usage(CommandTest):
    def wrong(self, *arguments, says):
        result = self.run_command(*arguments)
        self.assertEqual(result.returncode, 2, result.stderr)
        lines = result.stderr.decode().splitlines()
        self.assertEqual(len(lines), 2)
        self.assertTrue(lines[0].startswith("maudio: "), lines)
        self.assertIn(says, lines[0])
        self.assertIn("--help", lines[1])

    def test_ranges(self):
        for text in ("1.01", "-0.5", "nan", "", "0.5x", "much"):
            self.wrong("process", f"--strength={text}", "in.wav", says="--strength: ")
        for text in ("-1", "100.5", "inf"):
            self.wrong("process", f"--max-attenuation={text}", "in.wav", says="--max-attenuation: ")

    def test_arguments(self):
        self.wrong("process", says="no input")
        self.wrong("process", "a.wav", "b.wav", "c.wav", says="output folder")
        self.wrong("process", ".", says="output folder")
        self.wrong("process", "--preset", "a", "--model", "b", "in.wav", says="exclude")
        self.wrong("process", "a.wav", "-", "-o", "out", says="standard input")
        self.wrong("process", "--nonsense", says="--nonsense")
        self.wrong("info", "--nonsense", says="--nonsense")
        self.wrong("nonsense", says="nonsense")

    def test_help(self):
        for arguments in (["--help"], ["process", "--help"], ["info", "--help"]):
            result = self.run_command(*arguments)
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assertTrue(result.stdout.startswith(b"Usage: maudio"))
            self.assertIn(b"Examples:", result.stdout)
            self.assertLess(max(map(len, result.stdout.decode().splitlines())), 81)
        self.assertEqual(self.run_command().returncode, 2)

    def test_version(self):
        result = self.run_command("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout.decode(), r"^maudio \d+\.\d+\.\d+\n")

    def test_full_standard_output(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([COMMAND, "--help"], stdout=full, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assert_one_sentence(result, "standard output", "No space left")


if __name__ == "__main__":
    unittest.main()
