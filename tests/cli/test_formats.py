"""maudio process: what comes out has the format, length and place in time of what went in."""
import os
import struct
import subprocess
import unittest

from support import CODES, CommandTest, Wav, chunk, decode, encode, noise, wav_of_bytes, write_wav


class Formats(CommandTest):
    def check_same(self, code, rate, n_channels, mask=None, n_frames=3001):
        """Strength 0 gives back every bit; strength 1 something else of the same shape."""
        write_wav(self.work("in.wav"), encode(noise(n_frames * n_channels, level=1.0), code), code, rate, n_channels,
                  mask)
        before = Wav(self.work("in.wav"))
        self.process("--strength", "0", "in.wav", "dry.wav")
        dry = Wav(self.work("dry.wav"))
        self.assertEqual(dry.layout(), before.layout())
        self.assertEqual(dry.data, before.data)
        self.process("in.wav", "wet.wav")
        wet = Wav(self.work("wet.wav"))
        self.assertEqual(wet.layout(), before.layout())
        self.assertNotEqual(wet.data, before.data)

    def test_sample_formats(self):
        for code in CODES:
            for n_channels in (1, 2):
                with self.subTest(code=code, n_channels=n_channels):
                    self.check_same(code, 16000, n_channels)

    def test_rates(self):
        for rate in (8000, 11025, 22050, 44100, 48000, 96000, 192000):
            with self.subTest(rate=rate):
                self.check_same("s16", rate, 1)

    def test_surround(self):
        for code in ("s16", "s24", "f32"):
            with self.subTest(code=code):
                self.check_same(code, 48000, 6, mask=0x3F)

    def test_extremes_of_integers(self):
        """Full scale neither wraps nor moves."""
        for code, size in (("s16", 2), ("s24", 3), ("s32", 4)):
            with self.subTest(code=code):
                top = (1 << (8 * size - 1)) - 1
                numbers = ([top, -top - 1] * 8 + [top] * 500 + [-top - 1] * 500 + [1, -1, 0]) * 3
                data = b"".join(n.to_bytes(size, "little", signed=True) for n in numbers)
                write_wav(self.work("in.wav"), data, code)
                self.process("--strength", "0", "in.wav", "dry.wav")
                self.assertEqual(Wav(self.work("dry.wav")).data, data)
                self.process("in.wav", "wet.wav")
                jumps = [abs(a - b) for a, b in zip(Wav(self.work("wet.wav")).channel(0),
                                                    Wav(self.work("in.wav")).channel(0))]
                self.assertLess(max(jumps), 1.5)

    def test_fine_bits_beyond_float(self):
        """32-bit integers and 64-bit floats keep the bits that the network's float cannot hold."""
        numbers = [(i * 2654435761 + 12345) % (1 << 32) - (1 << 31) for i in range(3000)]
        data = b"".join(n.to_bytes(4, "little", signed=True) for n in numbers)
        write_wav(self.work("in.wav"), data, "s32")
        self.process("--strength", "0", "in.wav", "dry.wav")
        self.assertEqual(Wav(self.work("dry.wav")).data, data)

        data = encode([s / 3 for s in noise(3000, level=1.0)] + [-0.0, 0.0, 1e-300, -1e-30, 1.75], "f64")
        write_wav(self.work("in.wav"), data, "f64")
        self.process("--strength", "0", "in.wav", "dry.wav")
        self.assertEqual(Wav(self.work("dry.wav")).data, data)

    def test_signed_zeros_and_overs_of_float(self):
        data = encode([0.0, -0.0, 3.5, -7.25, 1e-30] * 300, "f32")
        write_wav(self.work("in.wav"), data, "f32")
        self.process("--strength", "0", "in.wav", "dry.wav")
        self.assertEqual(Wav(self.work("dry.wav")).data, data)

    def test_lengths(self):
        """Shorter than the latency, shorter than a window, one block, and around it."""
        for n_frames in (0, 1, 100, 255, 256, 257, 4095, 4096, 4097, 9000):
            with self.subTest(n_frames=n_frames):
                data = encode(noise(n_frames), "s16")
                write_wav(self.work("in.wav"), data)
                self.process("in.wav", "wet.wav")
                self.assertEqual(Wav(self.work("wet.wav")).n_frames, n_frames)
                self.process("--strength", "0", "in.wav", "dry.wav")
                self.assertEqual(Wav(self.work("dry.wav")).data, data)

    def test_alignment(self):
        """The best match with the input is where it was."""
        for rate in (16000, 44100):
            with self.subTest(rate=rate):
                samples = noise(6000)
                write_wav(self.work("in.wav"), encode(samples, "f32"), "f32", rate)
                self.process("in.wav", "wet.wav")
                wet = Wav(self.work("wet.wav")).channel(0)
                match = {lag: sum(samples[i] * wet[i + lag] for i in range(1000, 5000)) for lag in range(-900, 901, 4)}
                match.update({lag: sum(samples[i] * wet[i + lag] for i in range(1000, 5000)) for lag in range(-4, 5)})
                self.assertEqual(max(match, key=match.get), 0)

    def test_channels_beyond_two_are_on_their_own(self):
        channels = [noise(3000, seed=c, level=0.1 + 0.1 * c) for c in range(3)]
        write_wav(self.work("three.wav"), encode([s for frame in zip(*channels) for s in frame], "f32"), "f32", 16000,
                  3, mask=7)
        self.process("three.wav", "three-out.wav")
        three = Wav(self.work("three-out.wav"))
        for c, samples in enumerate(channels):
            write_wav(self.work("one.wav"), encode(samples, "f32"), "f32")
            self.process("one.wav", "one-out.wav")
            self.assertEqual(three.channel(c), Wav(self.work("one-out.wav")).channel(0))

    def test_stereo_keeps_the_image(self):
        """One mask for both: what differs by a factor still does."""
        left = noise(6000)
        write_wav(self.work("in.wav"), encode([s for x in left for s in (x, x / 4)], "f32"), "f32", 16000, 2)
        self.process("in.wav", "out.wav")
        wav = Wav(self.work("out.wav"))
        for a, b in zip(wav.channel(0), wav.channel(1)):
            self.assertAlmostEqual(a / 4, b, delta=1e-6)

    def test_flac(self):
        for code in ("s16", "s24"):
            with self.subTest(code=code):
                write_wav(self.work("in.wav"), encode(noise(2 * 5001), code), code, 44100, 2)
                self.tool("sndfile-convert", "in.wav", "in.flac")
                self.process("--strength", "0", "in.flac", "out.flac")
                with open(self.work("out.flac"), "rb") as file:
                    self.assertEqual(file.read(4), b"fLaC")
                self.tool("sndfile-convert", "out.flac", "back.wav")
                self.assertEqual(Wav(self.work("back.wav")).layout(), Wav(self.work("in.wav")).layout())
                self.assertEqual(Wav(self.work("back.wav")).data, Wav(self.work("in.wav")).data)

    def test_nothing_in_other_containers(self):
        write_wav(self.work("in.wav"), b"")
        for extension in ("flac", "aiff", "caf"):
            with self.subTest(extension=extension):
                self.process("in.wav", "none." + extension)
                self.process("none." + extension, "again." + extension)
                self.tool("sndfile-convert", "-pcm16", "again." + extension, "back.wav")
                self.assertEqual(Wav(self.work("back.wav")).n_frames, 0)

    def test_lossy(self):
        write_wav(self.work("in.wav"), encode(noise(2 * 50001, level=0.1), "s16"), "s16", 48000, 2)
        for option, name, what in (("-vorbis", "in.ogg", b"vorbis"), ("-opus", "in.opus", b"OpusHead"),
                                   ("-override-sample-rate=48000", "in.mp3", b"Xing")):
            with self.subTest(name=name):
                self.tool("sndfile-convert", option, "in.wav", name)
                out = "out" + os.path.splitext(name)[1]
                self.process(name, out)
                with open(self.work(out), "rb") as file:
                    self.assertIn(what, file.read(64))
                self.tool("sndfile-convert", "-float32", out, "back.wav")
                self.assertEqual(Wav(self.work("back.wav")).n_frames, 50001)

    def test_other_containers(self):
        write_wav(self.work("in.wav"), encode(noise(2 * 3001), "s24"), "s24", 48000, 2)
        for extension in ("aiff", "w64", "caf", "au", "rf64"):
            with self.subTest(extension=extension):
                self.tool("sndfile-convert", "in.wav", "in." + extension)
                self.process("--strength", "0", "in." + extension, "out." + extension)
                self.tool("sndfile-convert", "out." + extension, "back.wav")
                self.assertEqual(Wav(self.work("back.wav")).layout(), Wav(self.work("in.wav")).layout())
                self.assertEqual(Wav(self.work("back.wav")).data, Wav(self.work("in.wav")).data)

    def test_alaw_and_ulaw(self):
        write_wav(self.work("in.wav"), encode(noise(3001), "s16"), "s16", 8000)
        for option in ("-alaw", "-ulaw"):
            with self.subTest(option=option):
                self.tool("sndfile-convert", option, "in.wav", "law.wav")
                self.process("--strength", "0", "law.wav", "out.wav")
                self.assertEqual(Wav(self.work("out.wav")).layout(), Wav(self.work("law.wav")).layout())
                self.assertEqual(Wav(self.work("out.wav")).data, Wav(self.work("law.wav")).data)

    def test_other_extension_converts(self):
        """The container follows the name, the sample format stays near."""
        for code, extension, expected in (("s24", "flac", "s24"), ("f32", "flac", "s24"), ("s16", "aiff", "s16"),
                                          ("s32", "flac", "s24"), ("f64", "w64", "f64"), ("u8", "flac", "s8")):
            with self.subTest(code=code, extension=extension):
                write_wav(self.work("in.wav"), encode(noise(3001), code), code)
                self.process("--strength", "0", "in.wav", "out." + extension)
                with open(self.work("out." + extension), "rb") as file:
                    self.assertEqual(file.read(4), {"flac": b"fLaC", "aiff": b"FORM", "w64": b"riff"}[extension])
                if expected != "s8":
                    self.tool("sndfile-convert", "out." + extension, "back.wav")
                    back = Wav(self.work("back.wav"))
                    self.assertEqual(back.code, expected)
                    self.assertEqual(back.n_frames, 3001)
                    for a, b in zip(back.channel(0), Wav(self.work("in.wav")).channel(0)):
                        self.assertAlmostEqual(a, b, delta=2 ** -23)
        for lossy in ("in.ogg", "in.mp3"):
            self.process("in.wav", lossy)
            self.process(lossy, "from-lossy.wav")
            self.assertEqual(Wav(self.work("from-lossy.wav")).code, "s16")
            self.assertEqual(Wav(self.work("from-lossy.wav")).n_frames, 3001)

    def test_unknown_extension_keeps_the_format(self):
        write_wav(self.work("in.wav"), encode(noise(3001), "s24"), "s24")
        self.process("--strength", "0", "in.wav", "out.take1")
        self.assertEqual(Wav(self.work("out.take1")).data, Wav(self.work("in.wav")).data)


class Metadata(CommandTest):
    def test_strings(self):
        texts = {"title": "A \u00e9tude", "artist": "Someone", "album": "Noise", "comment": "For a test",
                 "date": "2024-02-29", "license": "CC0", "copyright": "Nobody"}
        options = [part for key, text in texts.items() for part in ("--str-" + key, text)]
        write_wav(self.work("in.wav"), encode(noise(20000), "s16"))
        self.tool("sndfile-metadata-set", *options, "in.wav", "tagged.wav")
        for extension in ("wav", "flac", "ogg", "aiff"):
            with self.subTest(extension=extension):
                if extension != "wav":
                    self.tool("sndfile-convert", "tagged.wav", "tagged." + extension)
                self.process("tagged." + extension, "out." + extension)
                before, after = (subprocess.run(["sndfile-metadata-get", *options[::2], name + extension], check=True,
                                                cwd=self.work(), capture_output=True).stdout.decode()
                                 for name in ("tagged.", "out."))
                self.assertIn("A \u00e9tude", before)
                self.assertEqual(after, before)
        self.process("tagged.wav", "converted.flac")
        with open(self.work("converted.flac"), "rb") as file:
            self.assertIn("title=A \u00e9tude".encode(), file.read())

    def test_broadcast(self):
        write_wav(self.work("in.wav"), encode(noise(3000), "s24"), "s24")
        self.tool("sndfile-metadata-set", "--bext-description", "Take 7", "--bext-originator", "Tester",
                  "--bext-time-ref", "123456", "--bext-umid", "abc", "--bext-coding-hist", "A=ANALOGUE", "in.wav",
                  "bext.wav")
        self.process("bext.wav", "out.wav")
        before, after = (Wav(self.work(name)).chunks[b"bext"] for name in ("bext.wav", "out.wav"))
        fixed = 256 + 32 + 32 + 10 + 8 + 8
        self.assertEqual(after[:fixed], before[:fixed])
        self.assertIn(b"A=ANALOGUE", after)

    def test_cue_points_and_foreign_chunks(self):
        cues = chunk(b"cue ", struct.pack("<I", 2) + b"".join(
            struct.pack("<II4sIII", i + 1, 500 * i, b"data", 0, 0, 500 * i) for i in range(2)))
        labels = chunk(b"LIST", b"adtl" + chunk(b"labl", struct.pack("<I", 1) + b"start\0"))
        other = chunk(b"iXML", b"<BWFXML/>\n  ")
        write_wav(self.work("in.wav"), encode(noise(3000), "s16"), after=cues + labels + other)
        self.process("in.wav", "out.wav")
        before, after = Wav(self.work("in.wav")), Wav(self.work("out.wav"))
        for name in (b"cue ", b"LIST", b"iXML"):
            self.assertEqual(after.chunks[name].rstrip(b"\0"), before.chunks[name].rstrip(b"\0"))

    def test_many_foreign_chunks(self):
        """Far more than can be copied: what is kept is whole, and so is the file."""
        write_wav(self.work("in.wav"), encode(noise(3000), "s16"),
                  after=b"".join(chunk(b"iXML", b"x" * (4 * i)) for i in range(1, 200)) + chunk(b"axml", b"y" * 60000))
        self.process("--strength", "0", "in.wav", "out.wav")
        self.assertEqual(Wav(self.work("out.wav")).data, Wav(self.work("in.wav")).data)
        self.assertEqual(Wav(self.work("out.wav")).chunks[b"iXML"], b"xxxx")


class Pipes(CommandTest):
    def setUp(self):
        super().setUp()
        write_wav(self.work("in.wav"), encode(noise(2 * 5001), "s24"), "s24", 44100, 2)
        with open(self.work("in.wav"), "rb") as file:
            self.content = file.read()
        self.process("in.wav", "expected.wav")
        self.expected = Wav(self.work("expected.wav"))

    def test_both_ends(self):
        out = wav_of_bytes(self.process("-", "-", input=self.content).stdout)
        self.assertEqual(out.layout(), self.expected.layout())
        self.assertEqual(out.data, self.expected.data)
        self.assertEqual(wav_of_bytes(self.process("-", input=self.content).stdout).data, self.expected.data)

    def test_one_end(self):
        self.process("-", "out.wav", input=self.content)
        self.assertEqual(Wav(self.work("out.wav")).data, self.expected.data)
        self.assertEqual(wav_of_bytes(self.process("in.wav", "-").stdout).data, self.expected.data)
        self.assertEqual(wav_of_bytes(self.process("in.wav", "-o", "-").stdout).data, self.expected.data)
        with open(self.work("in.wav"), "rb") as file:
            self.assertEqual(wav_of_bytes(self.process("-", stdin=file).stdout).data, self.expected.data)

    def test_streaming_headers(self):
        """Sizes that a program writing to a pipe could not know."""
        for size in (0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000):
            with self.subTest(size=size):
                write_wav(self.work("open.wav"), Wav(self.work("in.wav")).data, "s24", 44100, 2, data_size=size)
                with open(self.work("open.wav"), "rb") as file:
                    content = bytearray(file.read())
                content[4:8] = size.to_bytes(4, "little") if size else (8).to_bytes(4, "little")
                out = wav_of_bytes(self.process("-", "-", input=bytes(content)).stdout)
                self.assertEqual(out.data, self.expected.data)

    def test_other_formats_become_wav(self):
        self.tool("sndfile-convert", "in.wav", "in.flac")
        self.assertEqual(wav_of_bytes(self.process("in.flac", "-").stdout).data, self.expected.data)

    def test_named_pipe(self):
        os.mkfifo(self.work("fifo"))
        reader = subprocess.Popen(["cat", self.work("fifo")], stdout=subprocess.PIPE)
        self.process("in.wav", "fifo")
        self.assertEqual(wav_of_bytes(reader.communicate()[0]).data, self.expected.data)


if __name__ == "__main__":
    unittest.main()
