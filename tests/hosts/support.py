"""What the tests in hosts share: WAV files of floats, the null test, programs
that run beside the test."""

import array
import math
import os
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NOISY = os.path.join(ROOT, "tests", "audio", "noisy.wav")
COMMAND = os.environ["MAUDIO_COMMAND"]
MONO = "urn:maudio:denoise-mono"
STEREO = "urn:maudio:denoise-stereo"
GENERATOR = "urn:maudio:generator"
TIERS = os.path.join(ROOT, "tests", "golden", "network_tiers.safetensors")
# At 48 kHz, in the order of the numbers of the plugin's port
LATENCY_FRAMES = {"voice": 1536, "voice-live": 384, "voice-zero": 0, "voice-studio": 1536, "voice-stage": 768}

NULL_DBFS = -90.0


def read_wav(path):
    """Return (rate, channels): samples in -1 to 1 of 16, 24, 32 or float bits."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        raise ValueError(f"{path}: not WAV")
    form = samples = None
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8:at + 8 + size]
        if name == b"fmt ":
            form = struct.unpack_from("<HHIIHH", body)
            if form[0] == 0xFFFE:
                form = struct.unpack_from("<H", body, 24) + form[1:]
        elif name == b"data":
            samples = body
        at += 8 + size + size % 2
    if form is None or samples is None:
        raise ValueError(f"{path}: no format or no samples")
    kind, n_channels, rate, _, frame, bits = form
    samples = samples[:len(samples) // frame * frame]
    if kind == 3 and bits == 32:
        values = array.array("f", samples)
    elif kind == 1 and bits == 16:
        values = [x / 32768.0 for x in array.array("h", samples)]
    elif kind == 1 and bits == 32:
        values = [x / 2147483648.0 for x in array.array("i", samples)]
    elif kind == 1 and bits == 24:
        values = [int.from_bytes(samples[i:i + 3], "little", signed=True) / 8388608.0
                  for i in range(0, len(samples), 3)]
    else:
        raise ValueError(f"{path}: {bits} bits of kind {kind}")
    return rate, [list(values[c::n_channels]) for c in range(n_channels)]


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write_wav(path, rate, channels):
    """Write a WAV of 32-bit floats."""
    n_channels = len(channels)
    values = array.array("f", bytes(4 * n_channels * len(channels[0])))
    for c, channel in enumerate(channels):
        values[c::n_channels] = array.array("f", channel)
    body = values.tobytes()
    frame = 4 * n_channels
    with open(path, "wb") as file:
        file.write(struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(body), b"WAVE",
                               b"fmt ", 16, 3, n_channels, rate, rate * frame, frame, 32,
                               b"data", len(body)))
        file.write(body)


def decibels(amplitude):
    return 20.0 * math.log10(amplitude) if amplitude > 0.0 else -math.inf


def rms(samples):
    return math.sqrt(sum(x * x for x in samples) / max(1, len(samples)))


def difference_dbfs(found, wanted, offset):
    """Greatest difference between wanted[i] and found[i + offset], in dBFS."""
    n = min(len(wanted), len(found) - offset)
    return decibels(max(abs(found[i + offset] - wanted[i]) for i in range(n)))


def find_offset(found, wanted, limit, probe=4096):
    """The offset below `limit` at which found is nearest to wanted's loudest part."""
    at = max(range(0, len(wanted) - probe, probe // 2),
             key=lambda i: rms(wanted[i:i + probe:7]))
    part = wanted[at:at + probe]

    def distance(offset, step):
        return sum((found[at + offset + i] - part[i]) ** 2 for i in range(0, probe, step))

    span = min(limit, len(found) - at - probe)
    likely = sorted(range(span), key=lambda o: distance(o, 61))[:50]
    return min(likely, key=lambda o: distance(o, 1))


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise unittest.SkipTest(f"no {program}")


def wait_for(condition, what, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(0.05)


class HostTest(unittest.TestCase):
    """A test in a folder of its own, which it is in; programs it started end with it."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="maudio-hosts-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.started = []
        self.addCleanup(self.end_programs)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_program(self, *command, check=True, env=None, timeout=300):
        done = subprocess.run(command, capture_output=True, text=True, env=env,
                              timeout=timeout, cwd=self.folder, stdin=subprocess.DEVNULL)
        if check and done.returncode:
            self.fail(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def start(self, *command, env=None, stdin=subprocess.DEVNULL):
        log = open(self.path(f"{os.path.basename(command[0])}-{len(self.started)}.log"), "wb")
        process = subprocess.Popen(command, env=env, stdin=stdin, stdout=log, stderr=log,
                                   cwd=self.folder)
        log.close()
        process.log = log.name
        self.started.append(process)
        return process

    def end(self, process):
        """End a program that was started; return its exit status."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdin:
            process.stdin.close()
        return process.returncode

    def end_programs(self):
        for process in reversed(self.started):
            self.end(process)

    def make_input(self, n_channels):
        """Write the noisy recording as floats; two channels differ."""
        rate, channels = read_wav(NOISY)
        if n_channels == 2:
            other = channels[0][4800:] + channels[0][:4800]
            channels = [channels[0], [0.6 * x for x in other]]
        path = self.path(f"in{n_channels}.wav")
        write_wav(path, rate, channels)
        return path

    def process(self, path, *options):
        """What `maudio process` makes of a file."""
        out = self.path("reference.wav")
        self.run_program(COMMAND, "process", *options, path, out)
        return read_wav(out)[1]

    def check_null(self, found, wanted, offset, what):
        """Fail unless channels are equal up to NULL_DBFS, `found` delayed by `offset`."""
        self.assertEqual(len(found), len(wanted))
        for c, (a, b) in enumerate(zip(found, wanted)):
            self.assertGreater(len(a), len(b) // 2)
            self.assertGreater(decibels(rms(b)), -60.0)
            worst = difference_dbfs(a, b, offset)
            print(f"{what}, channel {c + 1}: difference {worst:.1f} dBFS")
            self.assertLess(worst, NULL_DBFS)
