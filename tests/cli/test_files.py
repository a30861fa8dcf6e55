"""maudio process: which files become which, and how they appear."""
import os
import pty
import signal
import stat
import subprocess
import time
import unittest

from support import COMMAND, CommandTest, Wav, encode, noise, write_wav


class Files(CommandTest):
    def make(self, *parts, seed=1, n_frames=2000):
        os.makedirs(os.path.dirname(self.work(*parts)), exist_ok=True)
        write_wav(self.work(*parts), encode(noise(n_frames, seed), "s16"))

    def tree(self, folder="."):
        found = [os.path.relpath(os.path.join(where, name), self.work(folder))
                 for where, _, names in os.walk(self.work(folder)) for name in names]
        return sorted(found)

    def test_one_input_alone(self):
        self.make("in.wav")
        self.make("a.b", "c.d")
        self.process("in.wav")
        self.process("a.b/c.d")
        self.assertEqual(self.tree(), ["a.b/c-clean.d", "a.b/c.d", "in-clean.wav", "in.wav"])

    def test_two_arguments(self):
        self.make("in.wav")
        os.mkdir(self.work("folder"))
        self.process("in.wav", "out.wav")
        self.process("in.wav", "folder")
        self.assertEqual(self.tree(), ["folder/in.wav", "in.wav", "out.wav"])

    def test_existing_output_is_replaced(self):
        self.make("in.wav")
        self.make("out.wav", n_frames=77)
        os.chmod(self.work("out.wav"), 0o604)
        old = open(self.work("out.wav"), "rb")
        self.addCleanup(old.close)
        size = os.fstat(old.fileno()).st_size
        self.process("in.wav", "out.wav")
        self.assertEqual(Wav(self.work("out.wav")).n_frames, 2000)
        self.assertEqual(stat.S_IMODE(os.stat(self.work("out.wav")).st_mode), 0o604)
        self.assertEqual(len(old.read()), size, "the old file was written to")

    def test_in_place(self):
        self.make("in.wav")
        os.chmod(self.work("in.wav"), 0o640)
        self.process("in.wav", "copy.wav")
        self.assertEqual(stat.S_IMODE(os.stat(self.work("copy.wav")).st_mode), 0o640 & ~self.umask())
        self.process("in.wav", "in.wav")
        self.assertEqual(Wav(self.work("in.wav")).data, Wav(self.work("copy.wav")).data)
        self.assertEqual(stat.S_IMODE(os.stat(self.work("in.wav")).st_mode), 0o640)

    @staticmethod
    def umask():
        mask = os.umask(0)
        os.umask(mask)
        return mask

    def test_symbolic_links(self):
        self.make("in.wav")
        self.make("real", "out.wav", n_frames=7)
        os.symlink("real/out.wav", self.work("link.wav"))
        os.symlink("real/new.wav", self.work("dangling.wav"))
        for link, target in (("link.wav", "real/out.wav"), ("dangling.wav", "real/new.wav")):
            self.process("in.wav", link)
            self.assertTrue(os.path.islink(self.work(link)))
            self.assertFalse(os.path.islink(self.work(target)))
            self.assertEqual(Wav(self.work(target)).n_frames, 2000)

    def test_devices_stay_devices(self):
        self.make("in.wav")
        self.process("in.wav", "/dev/null")
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))

    def test_several_files(self):
        self.make("a.wav")
        self.make("sub", "b.wav", seed=2)
        self.process("a.wav", "sub/b.wav", "-o", "out/deep")
        self.process("a.wav", "-o", "single/")
        self.process("-o", "named.wav", "a.wav")
        self.assertEqual(self.tree("out"), ["deep/a.wav", "deep/b.wav"])
        self.assertEqual(self.tree("single"), ["a.wav"])
        for one, other in (("out/deep/a.wav", "named.wav"), ("single/a.wav", "named.wav")):
            self.assertEqual(Wav(self.work(one)).data, Wav(self.work(other)).data)

    def test_folders(self):
        self.make("in", "a.wav")
        self.make("in", "B.WAV")
        self.make("in", "cd1", "c.wav")
        self.make("in", "cd1", "deeper", "d.wav")
        self.make("in", ".hidden.wav")
        with open(self.work("in", "notes.txt"), "w", encoding="ascii") as file:
            file.write("not audio")
        os.symlink("..", self.work("in", "cd1", "loop"))
        self.process("in", "-o", "flat")
        self.assertEqual(self.tree("flat"), ["B.WAV", "a.wav"])
        self.process("-r", "in", "-o", "deep")
        self.assertEqual(self.tree("deep"), ["B.WAV", "a.wav", "cd1/c.wav", "cd1/deeper/d.wav"])

    def test_output_below_the_input(self):
        """A second run does not take the first one's output."""
        self.make("in", "a.wav")
        for _ in range(2):
            self.process("-r", "in", "-o", "in/clean")
        self.assertEqual(self.tree("in"), ["a.wav", "clean/a.wav"])

    def test_the_rest_goes_on(self):
        for name in ("a.wav", "c.wav"):
            self.make(name)
        with open(self.work("b.wav"), "w", encoding="ascii") as file:
            file.write("This is not audio, whatever its name says.")
        result = self.process("a.wav", "b.wav", "missing.wav", "c.wav", "-o", "out", code=1)
        self.assertEqual(self.tree("out"), [".maudio.unfinished", "a.wav", "c.wav"])
        lines = result.stderr.decode().splitlines()
        self.assertEqual(sorted(line.split(":")[1] for line in lines), [" b.wav", " missing.wav"])

    def test_equal_names_are_refused_before_work(self):
        self.make("x", "a.wav")
        self.make("y", "a.wav")
        result = self.process("x/a.wav", "y/a.wav", "-o", "out", code=2)
        self.assertIn(b"x/a.wav and y/a.wav would both become out/a.wav", result.stderr)
        self.assertFalse(os.path.exists(self.work("out")))

    def test_memory_does_not_grow(self):
        peaks = []
        for seconds in (2, 300):
            # Without the samples in this process: its memory counts for the child's peak
            write_wav(self.work("in.wav"), b"", "u8", 8000, data_size=8000 * seconds)
            os.truncate(self.work("in.wav"), 44 + 8000 * seconds)
            process = subprocess.Popen([COMMAND, "process", "--preset", "test", "in.wav", "out.wav"], cwd=self.work(),
                                       env=self.environment())
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(process.returncode, 0)
            peaks.append(usage.ru_maxrss)
        self.assertLess(peaks[1] - peaks[0], 4000, "KiB, for 2384000 samples more")

    def test_signals_leave_nothing(self):
        write_wav(self.work("in.wav"), b"", "s16", 192000, data_size=2 * 192000 * 300)
        os.truncate(self.work("in.wav"), 44 + 2 * 192000 * 300)
        self.make("out.wav", n_frames=5)
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                process = subprocess.Popen([COMMAND, "process", "--preset", "test", "in.wav", "out.wav"],
                                           cwd=self.work(), env=self.environment())
                deadline = time.monotonic() + 60
                while not any(name.startswith(".maudio-") for name in os.listdir(self.work())):
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.005)
                process.send_signal(number)
                self.assertEqual(process.wait(30), -number)
                self.assert_nothing_left()
                self.assertEqual(self.tree(), ["in.wav", "out.wav"])
                self.assertEqual(Wav(self.work("out.wav")).n_frames, 5)

    def test_signal_while_waiting_for_input(self):
        process = subprocess.Popen([COMMAND, "process", "--preset", "test", "-", "out.wav"], cwd=self.work(),
                                   env=self.environment(), stdin=subprocess.PIPE)
        self.addCleanup(process.stdin.close)
        process.stdin.write(b"RIFF")
        process.stdin.flush()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(30), -signal.SIGINT)
        self.assertEqual(self.tree(), [])


class Terminal(CommandTest):
    def on_terminal(self, *arguments):
        """Return what a terminal on stderr gets."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen([COMMAND, "process", "--preset", "test", *arguments], cwd=self.work(),
                                   env=self.environment(), stderr=theirs)
        os.close(theirs)
        text = b""
        try:
            while block := os.read(ours, 4096):
                text += block
        except OSError:  # how Linux ends a terminal without writers
            pass
        os.close(ours)
        self.assertEqual(process.wait(60), 0, text)
        return text.decode()

    def test_progress(self):
        write_wav(self.work("in.wav"), bytes(2 * 48000 * 40), "s16", 48000)
        text = self.on_terminal("in.wav", "out.wav")
        self.assertRegex(text, r"in\.wav +\d+ %  \d+\.\dx realtime  \d+:\d\d left")
        self.assertTrue(text.endswith("\r\x1b[K"), "the line is removed")
        self.assertEqual(self.on_terminal("--quiet", "in.wav", "out.wav"), "")

    def test_summary(self):
        for name in ("a.wav", "b.wav"):
            write_wav(self.work(name), bytes(2 * 16000), "s16")
        self.assertRegex(self.on_terminal("a.wav", "b.wav", "-o", "out"),
                         r"2 files done, 0 failed: 0:02 of audio in 0:\d\d, \d+\.\dx realtime")


if __name__ == "__main__":
    unittest.main()
