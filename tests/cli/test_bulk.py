"""maudio process over many files: on all processors, on GPUs (a stand-in for them), interrupted and continued."""
import json
import os
import resource
import shutil
import signal
import subprocess
import time
import unittest

from support import COMMAND, CommandTest, Wav, encode, noise, write_wav

FAKE = os.environ.get("MAUDIO_CUDA_FAKE", "")
UNFINISHED = ".maudio.unfinished"


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (140, 140))


class Bulk(CommandTest):
    def setUp(self):
        super().setUp()
        self.fake = {}  # settings of the stand-in

    def environment(self):
        return {**super().environment(), "MAUDIO_CUDA_LIBRARY": FAKE, **self.fake}

    def make(self, name, n_frames=2000, seed=1, code="s16", rate=16000, n_channels=1):
        os.makedirs(os.path.dirname(self.work("in", name)), exist_ok=True)
        write_wav(self.work("in", name), encode(noise(n_frames * n_channels, seed), code), code, rate, n_channels)

    def make_all_sorts(self):
        """Lengths around hops and slices, with rates, channels and sample formats in turn."""
        sorts = [("s16", 16000, 1), ("f32", 44100, 2), ("s24", 48000, 1), ("s32", 8000, 2), ("f64", 16000, 1),
                 ("u8", 22050, 6), ("f64", 16000, 2), ("s16", 48000, 3)]
        for i, n_frames in enumerate([0, 1, 127, 128, 129, 255, 256, 257, 895, 896, 897, 4095, 4096, 4097, 9999, 20000]):
            code, rate, n_channels = sorts[i % len(sorts)]
            self.make(f"{i}.wav", n_frames, i, code, rate, n_channels)
            code, rate, n_channels = sorts[(i + 3) % len(sorts)]
            self.make(f"sub/{i}.wav", n_frames, 100 + i, code, rate, n_channels)

    def files(self, folder):
        """name: content, without the time that is in the header of floating-point files."""
        found = {}
        for where, _, names in os.walk(self.work(folder)):
            for name in names:
                path = os.path.join(where, name)
                with open(path, "rb") as file:
                    content = file.read()
                start, peak, rest = content.partition(b"PEAK")
                found[os.path.relpath(path, self.work(folder))] = start + peak + rest[:8] + rest[12:]
        return found

    def summary(self, *arguments, code=0, **kwargs):
        return json.loads(self.process(*arguments, "--json", code=code, **kwargs).stdout)

    def cpu(self, *arguments):
        """What one thread of the CPU makes of `in`."""
        self.process("-r", "in", "-o", "cpu", "--device", "cpu", "--jobs", "1", *arguments)
        return self.files("cpu")


class Cpu(Bulk):
    def test_files_in_parallel(self):
        self.make_all_sorts()
        expected = self.cpu()
        result = self.summary("-r", "in", "-o", "out", "--jobs", "5", "--device", "cpu")
        self.assertEqual(self.files("out"), expected)
        self.assertEqual((result["files_done"], result["files_failed"], result["jobs"]), (32, 0, 5))

    def test_what_failed(self):
        for name in ("a.wav", "b.wav"):
            self.make(name, 16000)
        with open(self.work("in", "bad.wav"), "w", encoding="ascii") as file:
            file.write("not audio")
        result = self.summary("in", "-o", "out", code=1)
        self.assertEqual(result["failed"], [{"file": "in/bad.wav",
                                             "reason": "in/bad.wav: is not an audio file that can be read"}])
        self.assertEqual((result["files_done"], result["files_failed"], result["interrupted"]), (2, 1, False))
        self.assertAlmostEqual(result["audio_s"], 2.0)
        self.assertGreater(result["wall_s"], 0.0)
        self.assertGreater(result["compute_s"], 0.0)
        self.assertEqual(result["device"], "the CPU")
        self.assertIn(result["bottleneck"], ("decode", "compute", "encode"))

    def test_a_name_that_is_no_utf8(self):
        self.make("a.wav")
        os.rename(self.work("in", "a.wav"), os.path.join(os.fsencode(self.work("in")), b"\xff.wav"))
        os.truncate(os.path.join(os.fsencode(self.work("in")), b"\xff.wav"), 0)
        self.assertEqual(self.summary("in", "-o", "out", code=1)["failed"][0]["file"], "in/?.wav")

    def test_json_and_audio_exclude_each_other(self):
        self.make("a.wav")
        result = self.process("in/a.wav", "-", "--json", code=2)
        self.assertIn(b"--json and the output - are both standard output", result.stderr)


class Continue(Bulk):
    def make_many(self):
        """Ten short files, and one that takes a thread for minutes; short when `was_long` has been called."""
        for i in range(10):
            self.make(f"{i}.wav", 1000, i)
        self.make("long.wav", 0)
        write_wav(self.work("in", "long.wav"), b"", "s16", 192000, data_size=2 * 192000 * 3000)
        os.truncate(self.work("in", "long.wav"), 44 + 2 * 192000 * 3000)

    def was_long(self):
        self.make("long.wav", 3000, 11)

    def done(self):
        return sum(name.endswith(".wav") for name in os.listdir(self.work("out")))

    def start(self, *arguments):
        """Interrupt a run when the short ones are there."""
        process = subprocess.Popen([COMMAND, "process", "--preset", "test", "in", "-o", "out", "--jobs", "2",
                                    *arguments], cwd=self.work(), env=self.environment())
        deadline = time.monotonic() + 60
        while not os.path.isdir(self.work("out")) or self.done() < 10:
            self.assertIsNone(process.poll(), "it ended too early")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(30), -signal.SIGINT)
        self.assert_nothing_left()
        self.assertEqual(sorted(os.listdir(self.work("out"))), sorted([UNFINISHED, *(f"{i}.wav" for i in range(10))]))

    def interrupt_and_continue(self, *arguments):
        self.make_many()
        self.start(*arguments)
        times = {name: os.stat(self.work("out", name)).st_mtime_ns for name in os.listdir(self.work("out"))}
        self.was_long()
        result = self.summary("in", "-o", "out", *arguments)
        self.assertEqual((result["files_skipped"], result["files_done"]), (10, 1))
        self.assertEqual(self.files("out"), self.cpu())
        for name in sorted(os.listdir(self.work("out")))[:10]:
            self.assertEqual(os.stat(self.work("out", name)).st_mtime_ns, times[name], "made again")
        self.assertEqual(self.summary("in", "-o", "out", *arguments)["files_done"], 11, "a complete run is over")

    def test_on_cpu(self):
        self.interrupt_and_continue("--device", "cpu")

    @unittest.skipUnless(FAKE, "MAUDIO_CUDA_FAKE is not set")
    def test_on_gpu(self):
        self.fake = {"MAUDIO_FAKE_SLICE_HOPS": "50"}
        self.interrupt_and_continue("--device", "cuda:0")

    def test_only_with_the_same_settings(self):
        for change in (["--strength", "0.5"], ["--max-attenuation", "6"], ["--restart"]):
            with self.subTest(change=change):
                self.make_many()
                self.start("--restart", "--device", "cpu")
                self.was_long()
                result = self.summary("in", "-o", "out", *change)
                self.assertEqual((result["files_skipped"], result["files_done"]), (0, 11))
                os.remove(self.work("out", "long.wav"))
                for i in range(10):
                    os.remove(self.work("out", f"{i}.wav"))

    def test_failures_and_what_changed(self):
        """After a failure only that file, what is new and what has changed is made."""
        for name in ("a.wav", "b.wav", "c.wav"):
            self.make(name)
        os.truncate(self.work("in", "b.wav"), 0)
        self.assertEqual(self.summary("in", "-o", "out", code=1)["files_done"], 2)
        time.sleep(0.02)
        self.make("b.wav", seed=2)
        self.make("c.wav", seed=3)
        self.make("d.wav", seed=4)
        result = self.summary("in", "-o", "out")
        self.assertEqual((result["files_skipped"], result["files_done"]), (1, 3))
        expected = self.cpu()
        self.assertEqual(self.files("out"), expected)

    def test_in_place(self):
        """What was done is not done twice."""
        for name in ("a.wav", "b.wav"):
            self.make(name)
        expected = self.cpu()
        self.make("bad.wav", 0)
        os.truncate(self.work("in", "bad.wav"), 3)
        for _ in range(2):
            self.process("in", "-o", "in", code=1)
        for name, content in expected.items():
            self.assertEqual(self.files("in")[name], content)


@unittest.skipUnless(FAKE, "MAUDIO_CUDA_FAKE is not set")
class Gpu(Bulk):
    def test_same_as_the_cpu(self):
        self.make_all_sorts()
        for settings in ([], ["--strength", "0.6", "--max-attenuation", "20"], ["--strength", "0"]):
            expected = self.cpu(*settings)
            for slice_hops, batch_hops, jobs in (("1", "6", "2"), ("7", "50", "3"), ("1000", "100000", "8")):
                with self.subTest(settings=settings, slice_hops=slice_hops):
                    self.fake = {"MAUDIO_FAKE_SLICE_HOPS": slice_hops, "MAUDIO_FAKE_BATCH_HOPS": batch_hops}
                    result = self.summary("-r", "in", "-o", "gpu", "--device", "cuda", "--jobs", jobs, *settings)
                    self.assertEqual(self.files("gpu"), expected)
                    self.assertEqual(result["files_done"], 32)
                    self.assertEqual(result["device"], "cuda:0,1 (2x Stand-in)")

    def test_formats_that_are_encoded(self):
        self.make("a.wav", 30000)
        self.make("b.wav", 20000, n_channels=2)
        for name, extension in (("a", "flac"), ("b", "flac"), ("b", "ogg"), ("a", "aiff")):
            self.process(f"in/{name}.wav", f"in/{name}.{extension}", "--strength", "0")
        expected = self.cpu()
        self.process("-r", "in", "-o", "gpu", "--device", "cuda")
        found = self.files("gpu")
        self.assertEqual(sorted(found), sorted(expected))
        for name in expected:
            if not name.endswith(".ogg"):  # has a serial number by chance
                self.assertEqual(found[name], expected[name], name)

    def test_hundred_files_share_batches(self):
        """While the GPU is busy, what has been read piles up into large batches."""
        for i in range(100):
            self.make(f"{i}.wav", 1 + 37 * i * i % 9001, i)
        expected = self.cpu()
        self.fake = {"MAUDIO_FAKE_SLICE_HOPS": "20", "MAUDIO_FAKE_BATCH_MS": "100", "MAUDIO_FAKE_LOG": self.path("log")}
        self.process("in", "-o", "gpu", "--device", "cuda:1")
        self.assertEqual(self.files("gpu"), expected)
        with open(self.path("log"), encoding="ascii") as file:
            batches = [int(line) for line in file]
        self.assertGreater(max(batches), 10)

    def test_standard_input_and_output(self):
        self.make("a.wav", 5000)
        self.process("in/a.wav", "cpu.wav")
        with open(self.work("in", "a.wav"), "rb") as file:
            result = self.process("-", "gpu.wav", "--device", "cuda", input=file.read())
        self.assertEqual(result.stdout, b"")
        self.assertEqual(Wav(self.work("gpu.wav")).data, Wav(self.work("cpu.wav")).data)

    def test_bad_files_between_good_ones(self):
        for i in range(6):
            self.make(f"{i}.wav", 3000, i)
        expected = self.cpu()
        nan = [0.1] * 2999 + [float("nan")]
        write_wav(self.work("in", "nan.wav"), encode(nan, "f32"), "f32")
        write_wav(self.work("in", "huge.wav"), encode([0.1, 1e300], "f64"), "f64")
        write_wav(self.work("in", "short.wav"), bytes(100), data_size=1000)
        write_wav(self.work("in", "rate.wav"), bytes(100), rate=4000)
        with open(self.work("in", "text.wav"), "w", encoding="ascii") as file:
            file.write("not audio")
        self.fake = {"MAUDIO_FAKE_SLICE_HOPS": "5"}
        result = self.summary("in", "-o", "gpu", "--device", "cuda", code=1)
        self.assertEqual(sorted(item["file"] for item in result["failed"]),
                         ["in/huge.wav", "in/nan.wav", "in/rate.wav", "in/short.wav", "in/text.wav"])
        reasons = {item["file"]: item["reason"] for item in result["failed"]}
        self.assertEqual(reasons["in/nan.wav"], "in/nan.wav: sample 2999 of channel 1 is not a number")
        self.assertEqual(reasons["in/huge.wav"], "in/huge.wav: sample 1 of channel 1 is out of range")
        found = self.files("gpu")
        found.pop(UNFINISHED)
        self.assertEqual(found, expected)

    def test_a_batch_fails(self):
        """Its files are named, the others are as ever, and the next run makes the rest."""
        for i in range(10):
            self.make(f"{i}.wav", 3000, i)
        expected = self.cpu()
        for failing in ({"MAUDIO_FAKE_FAIL_FROM": "3", "MAUDIO_FAKE_FAIL_TO": "3"}, {"MAUDIO_FAKE_FAIL_WAIT": "2"}):
            with self.subTest(**failing):
                self.fake = dict(failing, MAUDIO_FAKE_SLICE_HOPS="4")
                result = self.summary("in", "-o", "gpu", "--device", "cuda", "--restart", code=1)
                failed = [item["file"] for item in result["failed"]]
                self.assertGreater(len(failed), 0)
                self.assertEqual(result["files_done"] + len(failed), 10)
                for item in result["failed"]:
                    self.assertEqual(item["reason"], item["file"] + ": The GPU has failed: injected")
                for name, content in self.files("gpu").items():
                    if name != UNFINISHED:
                        self.assertEqual(content, expected[name])
        self.fake = {}
        self.process("in", "-o", "gpu", "--device", "cuda")
        self.assertEqual(self.files("gpu"), expected)

    def test_a_gpu_that_always_fails(self):
        for i in range(400):
            self.make(f"{i}.wav", 10, i)
        self.fake = {"MAUDIO_FAKE_FAIL_FROM": "2"}
        result = self.summary("in", "-o", "gpu", "--device", "cuda", "--jobs", "2", code=1,
                              preexec_fn=few_descriptors)
        self.assertEqual(result["files_done"] + result["files_failed"] + result["files_left"], 400)
        self.assertGreater(result["files_left"], 0)

    def test_few_buffers(self):
        for i in range(5):
            self.make(f"{i}.wav", 20000, i)
        expected = self.cpu()
        self.fake = {"MAUDIO_FAKE_BUFFERS": "1", "MAUDIO_FAKE_SLICE_HOPS": "10"}
        self.process("in", "-o", "gpu", "--device", "cuda:0")
        self.assertEqual(self.files("gpu"), expected)
        self.fake = {"MAUDIO_FAKE_BUFFERS": "0"}
        result = self.process("in/0.wav", "out.wav", "--device", "cuda:0", code=1)
        self.assert_one_sentence(result, "in/0.wav: Page-locked memory could not be allocated")

    def test_few_descriptors(self):
        for i in range(150):
            self.make(f"{i}.wav", 500, i)
        expected = self.cpu()
        self.process("in", "-o", "gpu", "--device", "cuda", "--jobs", "4", preexec_fn=few_descriptors)
        self.assertEqual(self.files("gpu"), expected)

    def test_a_channel_too_many(self):
        self.make("a.wav", 10, n_channels=3)
        self.fake = {"MAUDIO_FAKE_BATCH_HOPS": "2"}
        result = self.process("in/a.wav", "out.wav", "--device", "cuda", code=1)
        self.assert_one_sentence(result, "in/a.wav: 3 channels are too many for the GPU, use --device cpu")

    def test_memory_does_not_grow(self):
        peaks = []
        for seconds in (100, 1500):
            write_wav(self.work("in.wav"), b"", "u8", 8000, data_size=8000 * seconds)
            os.truncate(self.work("in.wav"), 44 + 8000 * seconds)
            self.fake = {"MAUDIO_FAKE_SLICE_HOPS": "1000"}
            process = subprocess.Popen([COMMAND, "process", "--preset", "test", "--device", "cuda", "in.wav",
                                        "out.wav"], cwd=self.work(), env=self.environment())
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(process.returncode, 0)
            peaks.append(usage.ru_maxrss)
        self.assertLess(peaks[1] - peaks[0], 8000, "KiB, for 11200000 samples more")


@unittest.skipUnless(FAKE, "MAUDIO_CUDA_FAKE is not set")
class Choice(Bulk):
    def device(self, *arguments):
        return self.summary("in", "-o", "out", *arguments)["device"]

    def test_auto(self):
        """A GPU for more than a minute of audio for each thread."""
        for name in ("a.wav", "b.wav"):
            self.make(name, 10)
        for seconds, jobs, device in ((40, "2", "the CPU"), (70, "2", "cuda:0,1 (2x Stand-in)"), (40, "1", "cuda:0,1"),
                                      (70, "1", "cuda")):
            for name in ("a.wav", "b.wav"):
                write_wav(self.work("in", name), bytes(8000 * seconds), "u8", 8000)
            self.assertIn(device, self.device("--jobs", jobs))
        self.fake = {"MAUDIO_FAKE_GPUS": "0"}
        self.assertEqual(self.device(), "the CPU")
        self.fake = {"MAUDIO_FAKE_FAIL_OPEN": "1"}
        self.assertEqual(self.device(), "the CPU")

    def test_which(self):
        self.make("a.wav")
        self.make("b.wav")
        for choice, device in (("cpu", "the CPU"), ("cuda", "cuda:0,1 (2x Stand-in)"), ("cuda:1", "cuda:1 (Stand-in)"),
                               ("cuda:1,0", "cuda:1,0 (2x Stand-in)")):
            self.assertEqual(self.device("--device", choice), device)
        self.assertEqual(self.summary("in", "-o", "out", "--precision", "bf16")["precision"], "bf16")

    def test_sentences(self):
        self.make("a.wav")
        cases = [({}, ["--device", "cuda:2"], "There is no GPU 2: the last one is 1"),
                 ({"MAUDIO_FAKE_GPUS": "0"}, ["--device", "cuda"], "No GPU can be used: the driver is missing"),
                 ({"MAUDIO_FAKE_GPUS": "0"}, ["--precision", "tf32"], "No GPU can be used: the driver is missing"),
                 ({"MAUDIO_FAKE_FAIL_OPEN": "1"}, ["--device", "cuda"], "The GPU is too small"),
                 ({"MAUDIO_CUDA_LIBRARY": "/none.so"}, ["--device", "cuda"], "The CUDA library: /none.so")]
        for self.fake, arguments, sentence in cases:
            with self.subTest(sentence=sentence):
                self.assert_one_sentence(self.process("in/a.wav", "out.wav", *arguments, code=1), sentence)
                self.assertFalse(os.path.exists(self.work("out.wav")))

    def test_no_library(self):
        self.make("a.wav")
        alone = shutil.copy2(COMMAND, self.path("maudio"))  # away from the library of this build, if there is one
        result = subprocess.run([alone, "process", "--preset", "test", "--device", "cuda", "in/a.wav", "out.wav"],
                                cwd=self.work(), env={**self.environment(), "MAUDIO_CUDA_LIBRARY": ""},
                                capture_output=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assert_one_sentence(result, "This maudio was built without CUDA: libmaudio-cuda.so is not beside it")

    def test_wrong_usage(self):
        self.make("a.wav")
        for arguments, sentence in ((["--device", "gpu"], b'--device: "gpu" is not auto, cpu'),
                                    (["--device", "cuda:"], b"is not auto"), (["--device", "cuda:0,0"], b"once"),
                                    (["--precision", "fp8"], b'--precision: "fp8" is not float32, tf32 or bf16'),
                                    (["--device", "cpu", "--precision", "tf32"], b"--precision tf32 needs a GPU"),
                                    (["--jobs", "0"], b"--jobs")):
            self.assertIn(sentence, self.process("in/a.wav", "out.wav", *arguments, code=2).stderr)


if __name__ == "__main__":
    unittest.main()
