"""maudio stream: raw samples through a pipe, the same as maudio process makes of them."""
import math
import os
import pty
import select
import shutil
import signal
import subprocess
import unittest

from support import COMMAND, CommandTest, Wav, decode, encode, noise, write_wav

RATE = 48000
LATENCY = 768  # Of the test model, 16 ms
S24_IN_FOUR = "S24_LE"


class Streams(CommandTest):
    def stream(self, data, *arguments, code=0):
        result = self.run_command("stream", "--preset", "test", *arguments, input=data)
        self.assertEqual(result.returncode, code, result.stderr)
        if code == 0:
            self.assertEqual(result.stderr, b"")
        self.assert_nothing_left()
        return result

    def start(self, *arguments, **kwargs):
        """Run with pipes that are left to the test."""
        process = subprocess.Popen([COMMAND, "stream", "--preset", "test", *arguments], env=self.environment(),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   bufsize=0, **kwargs)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for pipe in (process.stdin, process.stdout, process.stderr):
            self.addCleanup(pipe.close)
        return process

    def read(self, process, n_bytes, seconds=20):
        """What comes out, until it is `n_bytes`, ends, or nothing comes."""
        data = b""
        while len(data) < n_bytes and select.select([process.stdout], [], [], seconds)[0]:
            part = process.stdout.read(n_bytes - len(data))
            if not part:
                break
            data += part
        return data


class AsProcess(Streams):
    def check(self, code, n_channels, rate, *options):
        samples = noise(n_channels * 20011, seed=n_channels, level=0.9)
        data = encode(samples, code)
        write_wav(self.work("in.wav"), data, code, rate, n_channels)
        self.process("in.wav", "out.wav", *options)
        arguments = ["--rate", str(rate), "--channels", str(n_channels), "--format", code, *options]
        result = self.stream(data, *arguments)
        self.assertNotEqual(result.stdout, data)
        self.assertEqual(result.stdout, Wav(self.work("out.wav")).data)

    def test_formats(self):
        for code in ("s16", "s24", "s32", "f32"):
            with self.subTest(code=code):
                self.check(code, 1, RATE)

    def test_channels(self):
        for n_channels in range(1, 9):
            with self.subTest(n_channels=n_channels):
                self.check("f32", n_channels, RATE)

    def test_rates(self):
        for rate in (8000, 44100, 192000):
            with self.subTest(rate=rate):
                self.check("f32", 2, rate)

    def test_settings(self):
        self.check("f32", 1, RATE, "--strength", "0.5")
        self.check("s24", 2, RATE, "--max-attenuation", "9")

    def test_model_file(self):
        data = encode(noise(5000), "s16")
        named = self.run_command("stream", "--model", self.path("presets", "test.safetensors"), input=data)
        self.assertEqual(named.returncode, 0, named.stderr)
        self.assertEqual(named.stdout, self.stream(data).stdout)

    def test_blocks(self):
        data = encode(noise(3000), "f32")
        whole = self.stream(data, "--format", "f32").stdout
        for block in (1, 17, 384, 4096):
            self.assertEqual(self.stream(data, "--format", "f32", "--block", str(block)).stdout, whole)


class Formats(Streams):
    def test_no_strength_gives_every_bit_back(self):
        data = os.urandom(8 * 3 * 4000)
        for name in ("s16", "s24", "s32"):
            for n_channels in (1, 2, 8):
                with self.subTest(name=name, n_channels=n_channels):
                    result = self.stream(data, "--format", name, "--channels", str(n_channels), "--strength", "0")
                    self.assertEqual(result.stdout, data)

    def test_names(self):
        data = encode(noise(2000), "s32")
        for name, *others in (("s16", "s16le", "S16LE", "S16_LE", "s16_le"),
                              ("s24", "s24le", "S24LE", "S24_3LE"),
                              ("s32", "s32le", "S32_LE"),
                              ("S24_LE", "s24-32le", "S24_32LE")):
            expected = self.stream(data[:len(data) // 12 * 12], "--format", name).stdout
            for other in others:
                with self.subTest(other=other):
                    self.assertEqual(self.stream(data[:len(data) // 12 * 12], "--format", other).stdout, expected)
        data = encode(noise(2000), "f32")
        for other in ("f32le", "F32_LE", "FLOAT_LE", "float32le"):
            self.assertEqual(self.stream(data, "--format", other).stdout, self.stream(data, "--format", "f32").stdout)

    def test_24_bits_in_4_bytes(self):
        """As in ALSA: the lower three, what is above them does not matter."""
        packed = encode(noise(3000, level=1.0), "s24")
        groups = [packed[i:i + 3] for i in range(0, len(packed), 3)]
        expected = self.stream(packed, "--format", "s24").stdout
        for top in (None, b"\x00", b"\x5a"):
            data = b"".join(g + (top or (b"\xff" if g[2] & 0x80 else b"\0")) for g in groups)
            result = self.stream(data, "--format", S24_IN_FOUR).stdout
            self.assertEqual(b"".join(result[i:i + 3] for i in range(0, len(result), 4)), expected)
            self.assertTrue(all(result[i + 3] == (0xff if result[i + 2] & 0x80 else 0)
                                for i in range(0, len(result), 4)))

    def test_full_scale(self):
        """Integers stop at their ends, and do not turn around."""
        data = encode([1.0, -1.0] * 8000, "s16")
        result = decode(self.stream(data).stdout, "s16")
        self.assertEqual(len(result), 16000)
        self.assertTrue(all(abs(b - a) < 2.5 for a, b in zip(result, result[1:])))


class Latency(Streams):
    def test_without_compensation(self):
        data = encode(noise(10000), "f32")
        aligned = decode(self.stream(data, "--format", "f32").stdout, "f32")
        late = decode(self.stream(data, "--format", "f32", "--no-compensate").stdout, "f32")
        self.assertEqual(len(late), 10000)
        self.assertEqual(late[LATENCY:], aligned[:-LATENCY])
        self.assertEqual(late[:LATENCY // 2], [0.0] * (LATENCY // 2))
        last = self.stream(data, "--format", "f32", "--no-compensate", "--compensate").stdout
        self.assertEqual(decode(last, "f32"), aligned)

    def test_short_inputs(self):
        for n_frames in (0, 1, 100, LATENCY, LATENCY + 1):
            for option in ("--compensate", "--no-compensate"):
                with self.subTest(n_frames=n_frames, option=option):
                    self.assertEqual(len(self.stream(bytes(2 * n_frames), option).stdout), 2 * n_frames)

    def test_output_follows_input(self):
        """Each frame that can be computed comes out while the input is still open."""
        for option, delay in (("--compensate", LATENCY), ("--no-compensate", 0)):
            process = self.start(option)
            data = encode(noise(4000), "s16")
            sent, received = 0, b""
            for n_frames in (1000, 1, 480, 7, 960, 1552):
                process.stdin.write(data[2 * sent:2 * (sent + n_frames)])
                sent += n_frames
                received += self.read(process, 2 * (sent - delay) - len(received))
                self.assertEqual(len(received), 2 * (sent - delay))
            process.stdin.close()
            received += process.stdout.read()
            self.assertEqual(process.wait(20), 0)
            self.assertEqual(received, self.stream(data, option).stdout)

    def test_frames_in_pieces(self):
        """Writers need not keep frames together."""
        data = encode(noise(3 * 700), "s24")
        arguments = ["--format", "s24", "--channels", "3"]
        process = self.start(*arguments, "--no-compensate")
        received = b""
        for at in range(0, len(data), 25):
            process.stdin.write(data[at:at + 25])
            n_whole = min(at + 25, len(data)) // 9 * 9
            received += self.read(process, n_whole - len(received))
            self.assertEqual(len(received), n_whole)
        process.stdin.close()
        self.assertEqual(process.wait(20), 0)
        self.assertEqual(received, self.stream(data, *arguments, "--no-compensate").stdout)


class BadInput(Streams):
    def test_partial_frame(self):
        data = encode(noise(2 * 3000), "s16")
        for n_bytes in (1, 3):
            result = self.stream(data[:-n_bytes], "--channels", "2", code=1)
            self.assert_one_sentence(result, "standard input: ends with", f"{4 - n_bytes} bytes of a frame of 4")
            self.assertEqual(result.stdout, self.stream(data[:-4], "--channels", "2").stdout)

    def test_no_numbers(self):
        samples = noise(2 * 20000)
        silenced = list(samples)
        for i, value in ((2 * 8765 + 1, math.nan), (2 * 9000, math.inf), (2 * 9000 + 1, -math.inf)):
            samples[i], silenced[i] = value, 0.0
        arguments = ["--channels", "2", "--format", "f32"]
        result = self.stream(encode(samples, "f32"), *arguments, code=1)
        self.assert_one_sentence(result, "sample 8765 of channel 2", "3 in all")
        self.assertEqual(result.stdout, self.stream(encode(silenced, "f32"), *arguments).stdout)

    def test_wav(self):
        write_wav(self.work("in.wav"), encode(noise(3000), "s16"))
        with open(self.work("in.wav"), "rb") as file:
            result = self.stream(file.read(), code=1)
        self.assertEqual(result.stdout, b"")
        self.assert_one_sentence(result, "standard input: is a WAV file", "maudio process")

    def test_terminals(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        for name, ends in (("input", {"stdin": theirs, "stdout": subprocess.PIPE}),
                           ("output", {"stdin": subprocess.DEVNULL, "stdout": theirs})):
            result = subprocess.run([COMMAND, "stream", "--preset", "test"], env=self.environment(),
                                    stderr=subprocess.PIPE, timeout=60, **ends)
            self.assertEqual(result.returncode, 1)
            self.assert_one_sentence(result, f"standard {name}: is a terminal")

    def test_folder_for_input(self):
        folder = os.open(self.work(), os.O_RDONLY)
        self.addCleanup(os.close, folder)
        result = subprocess.run([COMMAND, "stream", "--preset", "test"], env=self.environment(), stdin=folder,
                                capture_output=True, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assert_one_sentence(result, "standard input: Is a directory")

    def test_models(self):
        for arguments in (["--preset", "nothing"], ["--model", "missing.safetensors"]):
            result = self.run_command("stream", *arguments, input=b"")
            self.assertEqual(result.returncode, 1)
            self.assert_one_sentence(result, arguments[1])


class Ends(Streams):
    def test_closed_pipe(self):
        process = self.start()
        process.stdout.close()
        process.stdin.write(bytes(2 * 10000))
        self.assertEqual(process.wait(20), 1)
        self.assertEqual(process.stderr.read(), b"maudio: standard output: Broken pipe\n")

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([COMMAND, "stream", "--preset", "test"], env=self.environment(), stdout=full,
                                    stderr=subprocess.PIPE, input=bytes(20000), timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assert_one_sentence(result, "standard output: No space left")

    def test_signals(self):
        """While it waits for input, and while nobody takes its output."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = self.start("--no-compensate")
            process.stdin.write(bytes(2 * 1000))
            self.assertEqual(len(self.read(process, 2000)), 2000)
            process.send_signal(number)
            self.assertEqual(process.wait(20), -number)
            self.assertEqual(process.stderr.read(), b"")

            process = self.start()
            os.set_blocking(process.stdin.fileno(), False)
            while select.select([], [process.stdin], [], 0.5)[1]:
                process.stdin.write(bytes(4096))
            process.send_signal(number)
            self.assertEqual(process.wait(20), -number)
            self.assertEqual(process.stderr.read(), b"")


class Usage(Streams):
    def wrong(self, *arguments, says):
        result = self.run_command("stream", *arguments, input=b"")
        self.assertEqual(result.returncode, 2, result.stderr)
        lines = result.stderr.decode().splitlines()
        self.assertEqual(len(lines), 2)
        self.assertTrue(lines[0].startswith("maudio: "), lines)
        self.assertIn(says, lines[0])
        self.assertIn("stream --help", lines[1])

    def test_ranges(self):
        for option, texts in (("--rate", ("7999", "192001", "48k", "", "-48000", "1e5", "44100.5", "0", " 48000",
                                          "99999999999999999999")),
                              ("--channels", ("0", "9", "two", "-1", "4294967297")),
                              ("--format", ("s16be", "u8", "", "f64", "wav")),
                              ("--block", ("0", "4097", "x")),
                              ("--strength", ("1.01", "nan")),
                              ("--max-attenuation", ("-1", "101"))):
            for text in texts:
                self.wrong(f"{option}={text}", says=f'{option}: "{text}" is not')

    def test_arguments(self):
        self.wrong("in.wav", says="in.wav: no file is taken")
        self.wrong("--preset", "a", "--model", "b", says="exclude")
        self.wrong("--nonsense", says="--nonsense")

    def test_help(self):
        result = self.run_command("stream", "--help")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertTrue(result.stdout.startswith(b"Usage: maudio stream"))
        self.assertLess(max(map(len, result.stdout.decode().splitlines())), 81)


@unittest.skipUnless(shutil.which("ffmpeg"), "ffmpeg is not installed")
class InPipes(Streams):
    def test_between_two_ffmpegs(self):
        """As in the manual: what comes out is what maudio process makes."""
        write_wav(self.work("in.wav"), encode(noise(2 * 30000), "s16"), "s16", 44100, 2)
        self.process("in.wav", "expected.wav")
        quiet = "ffmpeg -nostdin -loglevel error"
        result = subprocess.run(
            f"{quiet} -i in.wav -f s16le - | '{COMMAND}' stream --preset test --rate 44100 --channels 2 --format s16le |"
            f" {quiet} -f s16le -ar 44100 -ac 2 -i - out.wav",
            shell=True, cwd=self.work(), env=self.environment(), capture_output=True, timeout=120)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(Wav(self.work("out.wav")).data, Wav(self.work("expected.wav")).data)


if __name__ == "__main__":
    unittest.main()
