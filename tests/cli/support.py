"""What the tests of the command share: a model, WAV files, running the command."""
import json
import math
import os
import random
import shutil
import struct
import subprocess
import tempfile
import unittest

COMMAND = os.environ["MAUDIO_COMMAND"]

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")

# name: (format tag, bytes of a sample)
CODES = {"u8": (PCM, 1), "s16": (PCM, 2), "s24": (PCM, 3), "s32": (PCM, 4),
         "f32": (FLOAT, 4), "f64": (FLOAT, 8)}


def test_model_config():
    """The smallest network that changes what it hears."""
    return {"format_version": "1.0", "name": "test", "task": "denoise", "licence": "ISC",
            "front_end": {"type": "spectral", "rate_hz": 16000, "window_ms": 32, "hop_ms": 8,
                          "compress": 0.3, "power_floor": 1e-10, "band_edges": [0, 257]},
            "d_model": 8, "norm_eps": 1e-5,
            "blocks": [{"mixer": "mamba2", "d_inner": 16, "d_state": 4, "d_conv": 4,
                        "headdim": 8, "n_groups": 1}]}


def test_model_tensors():
    """name: (shape, values), from a fixed seed."""
    rng = random.Random(1)

    def uniform(low, high, *shape):
        return shape, [rng.uniform(low, high) for _ in range(math.prod(shape))]

    mixer = "backbone.layers.0.mixer."
    return {
        "band_in.weight": uniform(-0.03, 0.03, 771, 8), "band_in.bias": uniform(-1, 1, 1, 8),
        "backbone.layers.0.norm.weight": uniform(1, 1, 8), "backbone.norm_f.weight": uniform(1, 1, 8),
        "band_out.weight": uniform(-0.1, 0.1, 514, 8), "band_out.bias": uniform(-0.1, 0.0, 514),
        mixer + "in_proj.weight": uniform(-0.5, 0.5, 42, 8), mixer + "conv1d.weight": uniform(-0.5, 0.5, 24, 1, 4),
        mixer + "conv1d.bias": uniform(-0.1, 0.1, 24), mixer + "dt_bias": uniform(-3, -1, 2),
        mixer + "A_log": uniform(0, 1, 2), mixer + "D": uniform(0.5, 1, 2), mixer + "norm.weight": uniform(1, 1, 16),
        mixer + "out_proj.weight": uniform(-0.5, 0.5, 8, 16),
    }


def write_model(path, config=None, tensors=None):
    header = {"__metadata__": {"maudio": json.dumps(config or test_model_config())}}
    data = b""
    for name, (shape, values) in (tensors or test_model_tensors()).items():
        block = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(data), len(data) + len(block)]}
        data += block
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def encode(samples, code):
    """Interleaved samples of -1 to 1 as bytes."""
    size = CODES[code][1]
    if code in ("f32", "f64"):
        return struct.pack(f"<{len(samples)}{'f' if size == 4 else 'd'}", *samples)
    scale = 1 << (8 * size - 1)
    numbers = (max(-scale, min(scale - 1, round(s * scale))) for s in samples)
    if code == "u8":
        return bytes(n + 128 for n in numbers)
    return b"".join(n.to_bytes(size, "little", signed=True) for n in numbers)


def decode(data, code):
    size = CODES[code][1]
    if code in ("f32", "f64"):
        return list(struct.unpack(f"<{len(data) // size}{'f' if size == 4 else 'd'}", data))
    if code == "u8":
        return [(b - 128) / 128 for b in data]
    scale = 1 << (8 * size - 1)
    return [int.from_bytes(data[i:i + size], "little", signed=True) / scale for i in range(0, len(data), size)]


def write_wav(path, data, code="s16", rate=16000, n_channels=1, mask=None, before=b"", after=b"", data_size=None):
    """A WAV file of these bytes; `before` and `after` are chunks around them; `data_size` for a false header."""
    tag, size = CODES[code]
    numbers = (n_channels, rate, rate * size * n_channels, size * n_channels, 8 * size)
    if mask is None:
        form = struct.pack("<HHIIHH", tag, *numbers)
    else:
        form = struct.pack("<HHIIHHHHIH", EXTENSIBLE, *numbers, 22, 8 * size, mask, tag) + GUID_TAIL
    body = b"WAVE" + chunk(b"fmt ", form) + before
    body += b"data" + struct.pack("<I", len(data) if data_size is None else data_size)
    body += data + b"\0" * (len(data) % 2) + after
    with open(path, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", len(body)) + body)


class Wav:
    """A WAV file that was read: `form` (its fmt chunk's numbers), `data`, `chunks` by name."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.init(file.read(), path)

    def init(self, content, path):
        assert content[:4] == b"RIFF" and content[8:12] == b"WAVE", path
        assert struct.unpack("<I", content[4:8])[0] == len(content) - 8, path
        self.chunks, at = {}, 12
        while at < len(content):
            name, size = struct.unpack("<4sI", content[at:at + 8])
            assert at + 8 + size <= len(content), path
            self.chunks.setdefault(name, content[at + 8:at + 8 + size])
            at += 8 + size + size % 2
        form = self.chunks[b"fmt "]
        tag, self.n_channels, self.rate, _, self.frame_size, self.bits = struct.unpack("<HHIIHH", form[:16])
        self.extensible = tag == EXTENSIBLE
        self.mask = struct.unpack("<I", form[20:24])[0] if self.extensible else None
        self.tag = struct.unpack("<H", form[24:26])[0] if self.extensible else tag
        self.data = self.chunks[b"data"]
        self.n_frames = len(self.data) // self.frame_size
        self.code = next((c for c, known in CODES.items() if known == (self.tag, self.bits // 8)), None)

    def layout(self):
        return self.tag, self.extensible, self.mask, self.n_channels, self.rate, self.bits, self.n_frames

    def channel(self, c):
        return decode(self.data, self.code)[c::self.n_channels]


def wav_of_bytes(content):
    wav = Wav.__new__(Wav)
    wav.init(content, "bytes")
    return wav


def noise(n, seed=1, level=0.3):
    rng = random.Random(seed)
    return [rng.uniform(-level, level) for _ in range(n)]


class CommandTest(unittest.TestCase):
    """Runs in a folder of its own, with `test` as the preset."""

    maxDiff = 2000

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="maudio-cli-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.mkdir(self.path("presets"))
        write_model(self.path("presets", "test.safetensors"))
        os.mkdir(self.path("work"))

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def work(self, *parts):
        return self.path("work", *parts)

    def environment(self):
        return dict(os.environ, MAUDIO_PRESETS=self.path("presets"), TMPDIR=self.folder, LC_ALL="C")

    def run_command(self, *arguments, **kwargs):
        return subprocess.run([COMMAND, *arguments], cwd=self.work(), env=self.environment(),
                              capture_output=True, timeout=120, **kwargs)

    def process(self, *arguments, code=0, **kwargs):
        """Run `maudio process --preset test`; success is silent."""
        result = self.run_command("process", "--preset", "test", *arguments, **kwargs)
        self.assertEqual(result.returncode, code, result.stderr)
        if code == 0:
            self.assertEqual(result.stderr, b"")
        self.assert_nothing_left()
        return result

    def assert_one_sentence(self, result, *parts):
        lines = result.stderr.decode().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertTrue(lines[0].startswith("maudio: "), lines)
        for part in parts:
            self.assertIn(part, lines[0])

    def assert_nothing_left(self):
        """No temporary file, here or where pipes are stored."""
        for folder, _, files in os.walk(self.folder):
            self.assertEqual([f for f in files if "maudio-" in f], [], folder)

    def tool(self, *arguments):
        subprocess.run(arguments, cwd=self.work(), check=True, capture_output=True)
