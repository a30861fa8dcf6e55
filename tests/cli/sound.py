"""A sound server without a sound card: what `maudio live` hears and plays is the two channels of one recording."""
import array
import math
import os
import random
import shutil
import subprocess
import time

RATE = 48000
TAPS = 16  # On either side, of an interpolation
TOOLS = ("pulseaudio", "pactl", "pacat", "parec")

# "mic" and "speaker" are the left and the right channel of one sink, "player" plays to the left one
MODULES = (
    "module-null-sink sink_name=loop format=float32le rate=48000 channels=2",
    "module-remap-sink sink_name=player master=loop channels=1 channel_map=mono master_channel_map=front-left remix=no",
    "module-remap-sink sink_name=speaker master=loop channels=1 channel_map=mono master_channel_map=front-right "
    "remix=no",
    "module-remap-source source_name=mic master=loop.monitor channels=1 channel_map=mono "
    "master_channel_map=front-left remix=no",
    "module-null-sink sink_name=first format=float32le rate=48000 channels=2",
    "module-null-sink sink_name=second format=float32le rate=48000 channels=2",
)
ASOUNDRC = """\
pcm.!default { type pulse }
ctl.!default { type pulse }
pcm.mic { type pulse device mic }
pcm.speaker { type pulse device speaker }
pcm.first_mic { type pulse device first.monitor }
pcm.second_speaker { type pulse device second }
"""


def missing():
    """What a test needs and this machine lacks, or None."""
    return next((tool for tool in TOOLS if not shutil.which(tool)), None)


class SoundServer:
    def __init__(self, folder):
        """All files of the server and its clients are below `folder`."""
        os.makedirs(folder, mode=0o700)
        with open(os.path.join(folder, ".asoundrc"), "w", encoding="ascii") as file:
            file.write(ASOUNDRC)
        socket = os.path.join(folder, "socket")
        self.environment = dict(os.environ, HOME=folder, XDG_RUNTIME_DIR=folder, PULSE_SERVER="unix:" + socket,
                                LC_ALL="C")
        modules = (f"module-native-protocol-unix socket={socket} auth-anonymous=1", *MODULES)
        self.log = open(os.path.join(folder, "log"), "wb")
        self.process = subprocess.Popen(
            ["pulseaudio", "-n", "--daemonize=no", "--high-priority=yes", "--realtime=yes", "--exit-idle-time=-1",
             "--disable-shm=true", "--use-pid-file=no", *(f"--load={module}" for module in modules)],
            env=self.environment, stdout=self.log, stderr=self.log)
        self.clients = []
        for _ in range(100):
            if self.control("info", check=False).returncode == 0:
                break
            time.sleep(0.1)
        self.control("set-default-source", "mic")
        self.control("set-default-sink", "speaker")

    def control(self, *arguments, check=True):
        return subprocess.run(["pactl", *arguments], env=self.environment, check=check, capture_output=True)

    def client(self, *arguments, **kwargs):
        process = subprocess.Popen(arguments, env=self.environment, **{"stderr": self.log, **kwargs})
        self.clients.append(process)
        return process

    def play(self, sink, path=None, **kwargs):
        """Play raw mono float samples, of a file or standard input; returns the process, which ends by itself."""
        return self.client("pacat", "--playback", f"--device={sink}", "--raw", "--format=float32le", "--channels=1",
                           f"--rate={RATE}", "--latency-msec=20", *([path] if path else []), **kwargs)

    def record(self, path, source="loop.monitor", channels=2):
        """Record raw float samples until stopped."""
        with open(path, "wb") as file:
            return self.client("parec", f"--device={source}", "--raw", "--format=float32le", f"--channels={channels}",
                               f"--rate={RATE}", "--latency-msec=20", stdout=file)

    def settle(self):
        """Let what a sink rendered ahead while nobody listened (2 s) run out. Only then a recording goes on."""
        time.sleep(2.2)

    def close(self):
        for process in (*self.clients, self.process):
            if process.poll() is None:
                process.terminate()
            process.wait(10)
            for file in (process.stdin, process.stdout, process.stderr):
                if file:
                    file.close()
        self.log.close()


def soft_noise(n, seed=1):
    """Noise without the highest frequencies, so that a delay by parts of a frame leaves it alike."""
    rng = random.Random(seed)
    sharp = [rng.uniform(-0.3, 0.3) for _ in range(n + 4)]
    return [sum(sharp[i:i + 4]) / 4 for i in range(n)]


def read_floats(path):
    samples = array.array("f")
    with open(path, "rb") as file:
        content = file.read()
    samples.frombytes(content[:len(content) // 8 * 8])
    return samples


def between(values, at):
    """The value at a place that need not be whole, by a windowed sinc. It is 0 beyond the ends."""
    total = 0.0
    for i in range(max(0, math.ceil(at) - TAPS), min(len(values), math.floor(at) + TAPS + 1)):
        turn = math.pi * (at - i)
        total += values[i] * (math.sin(turn) / turn * math.cos(turn / (2 * TAPS + 2)) ** 2 if turn else 1.0)
    return total


def find_delay(heard, played, start, length=512, longest=RATE // 2):
    """Frames by which `played` follows `heard`, to 1/32, by the best match of a piece of noise, and how well it
    matches: 1 at best, also between two frames. (None, 0) where nothing is alike."""
    piece = heard[start:start + length]
    energy = sum(s * s for s in piece)
    few = piece[::length // 64]
    enough = 0.2 * sum(s * s for s in few)

    def match(delay):
        later = played[start + delay:start + delay + length]
        norm = (energy * sum(s * s for s in later)) ** 0.5
        return sum(a * b for a, b in zip(piece, later)) / norm if norm else 0.0

    best, at = 0.0, None
    for delay in range(longest):
        # Most places are ruled out by a few samples
        later = played[start + delay:start + delay + length:length // 64]
        if sum(a * b for a, b in zip(few, later)) >= enough and match(delay) > best:
            best, at = match(delay), delay
    if at is None:
        return None, 0.0
    # As the signals have no highest frequencies, the matches at whole frames tell those between them
    first = max(-start, at - 2 * TAPS)
    matches = [match(delay) for delay in range(first, at + 2 * TAPS + 1)]
    best, at = max((between(matches, at - first + k / 32), at + k / 32) for k in range(-24, 25))
    return at, best
