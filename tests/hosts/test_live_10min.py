"""Ten minutes of `maudio live` on a sound server without a card: nothing is lost, and the delay stays as it is.

Two sessions run at once, each on a server of its own: with the default device, and between two devices. What is heard and
what is played are the two channels of one recording, so the delay is measured to a frame, 0.02 ms; while the speed is
steered it changes within the 43 ms that are compared, by 0.1 ms at most. Give another number of seconds in
MAUDIO_LIVE_SECONDS.
"""
import array
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import sound

COMMAND = os.environ["MAUDIO_COMMAND"]
SECONDS = float(os.environ.get("MAUDIO_LIVE_SECONDS", "600"))
FIRST_S = 30.0  # When the delay is measured first
EVERY_S = 60.0  # And how often then
MOST_MS = 0.5  # Between the first and the last


class Session:
    """A server, noise without end, and `maudio live` between the channels of one recording."""

    def __init__(self, folder, *options):
        self.folder, self.options = folder, options
        self.delays, self.statistics, self.errors = [], None, None

    def run(self):
        server = sound.SoundServer(os.path.join(self.folder, "server"))
        try:
            self.run_on(server)
        finally:
            server.close()

    def run_on(self, server):
        player = server.play("player", stdin=subprocess.PIPE)
        ends = threading.Event()
        feeder = threading.Thread(target=self.feed, args=(player.stdin, ends))
        feeder.start()
        live = server.client(COMMAND, "live", "--json", "--strength", "0", "--buffer", "40", "--seconds",
                             str(SECONDS), *self.options, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        start = time.monotonic()
        when = FIRST_S
        while when < SECONDS - 2 and live.poll() is None:
            time.sleep(max(0.0, start + when - time.monotonic()))
            self.measure(server, when)
            last = SECONDS - 4
            when = min(when + EVERY_S, last) if when < last else SECONDS
        output, self.errors = live.communicate(timeout=SECONDS)
        self.statistics = json.loads(output) if live.returncode == 0 else {}
        ends.set()
        feeder.join()

    def feed(self, pipe, ends):
        second = array.array("f", sound.soft_noise(sound.RATE)).tobytes()
        while not ends.is_set():
            pipe.write(second)

    def table(self, name):
        lines = [f"{name}: {self.statistics}"]
        for when, delay, match in self.delays:
            lines.append(f"{when:6.0f} s  {'-' if delay is None else f'{1e3 * delay / sound.RATE:.2f}':>7} ms  match {match}")
        return "\n".join(lines)

    def measure(self, server, when):
        path = os.path.join(self.folder, "recording")
        recorder = server.record(path)
        time.sleep(1.5)
        recorder.terminate()
        recorder.wait(10)
        samples = sound.read_floats(path)
        heard, played = samples[0::2], samples[1::2]
        delay, match = sound.find_delay(heard, played, sound.RATE // 5, 2048)
        self.delays.append((when, delay, round(match, 4)))


class TenMinutes(unittest.TestCase):
    def setUp(self):
        missing = sound.missing()
        if missing:
            self.skipTest(f"no {missing}")
        self.folder = tempfile.mkdtemp(prefix="maudio-live-")
        self.addCleanup(shutil.rmtree, self.folder)

    def test_delay_stays(self):
        sessions = {}
        for name, options in (("default device", ()), ("two devices", ("--input", "mic", "--output", "speaker"))):
            folder = os.path.join(self.folder, name.replace(" ", "-"))
            os.mkdir(folder)
            sessions[name] = Session(folder, *options)
        threads = [threading.Thread(target=s.run) for s in sessions.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name, session in sessions.items():
            print(session.table(name), flush=True)
        for name, session in sessions.items():
            with self.subTest(name):
                self.assertEqual(session.errors, b"")
                for key in ("xruns", "underruns", "overflows", "jumps"):
                    self.assertEqual(session.statistics[key], 0, key)
                delays = [delay for _, delay, _ in session.delays]
                self.assertGreater(len(delays), 1)
                self.assertNotIn(None, delays)
                self.assertLessEqual(1e3 * abs(delays[-1] - delays[0]) / sound.RATE, MOST_MS)


if __name__ == "__main__":
    unittest.main()
