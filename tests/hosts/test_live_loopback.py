"""`maudio live` on a sound server without a card: what is heard, made and played.

On a machine that is busy with other work audio is late, so this is not among the quick tests.
"""
import array
import os
import signal
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cli"))
import sound
from support import COMMAND, Wav, encode, write_wav
from test_live import ServerTest, setUpModule  # noqa: F401

AUDIO = os.path.join(HERE, "..", "audio")

# From the start of the command to sound: the devices are opened, then listened to for 1.5 s
START_S = 2.5


class Loopback(ServerTest):
    def write_raw(self, name, samples):
        with open(self.work(name), "wb") as file:
            file.write(encode(samples, "f32"))
        return self.work(name)

    def frames_recorded(self):
        """The present, on the clock of the recording: it is not that of the wall, which runs while a sink is ahead."""
        return os.path.getsize(self.work("both.raw")) // 8

    def server_was_late(self, first=0, last=None):
        """Whether silence stands within what was played: a server without audio says nothing of it."""
        played = self.recorded()[1][first:last].tobytes().strip(bytes(4))
        return bytes(4 * 32) in played

    def is_unbroken(self, statistics):
        lost = sum(s[key] for s in statistics for key in ("xruns", "underruns", "overflows", "jumps"))
        return not lost and not self.server_was_late()

    def until_unbroken(self, run, is_unbroken=None):
        """Call `run`, which returns statistics, until nothing was lost: a busy machine may be late twice."""
        for left in (2, 1, 0):
            statistics = run()
            if (is_unbroken or self.is_unbroken)(statistics):
                return statistics
            if not left:
                self.fail(f"three times audio was lost: {statistics}")
        return None

    def pass_through(self, samples, sessions, *recordings):
        """Statistics of sessions during which samples were played to both sinks, once nothing was lost.

        `self.begun` is when that began, on the clock of the recording.
        """
        path = self.write_raw("played.raw", samples)

        def run():
            recorders = [self.server.record(*recording) for recording in recordings]
            self.server.settle()
            lives = [self.live("--json", "--buffer", "20", *session) for session in sessions]
            time.sleep(START_S)
            self.begun = self.frames_recorded()
            players = self.server.play("player", path), self.server.play("first", path)
            statistics = [self.statistics(live) for live in lives]
            for process in (*recorders, *players):
                process.terminate()
                process.wait(10)
            return statistics

        return self.until_unbroken(run)

    def recorded(self):
        """What `mic` heard and what `speaker` played, on one clock."""
        both = sound.read_floats(self.work("both.raw"))
        return both[0::2], both[1::2]

    def test_speech_through_the_default_device(self):
        """What comes out is what `maudio process` makes of what went in, later by a constant delay."""
        speech = Wav(os.path.join(AUDIO, "noisy.wav"))
        self.assertEqual((speech.rate, speech.n_channels), (sound.RATE, 1))
        statistics, = self.pass_through(speech.channel(0), [("--preset", "voice-stage", "--seconds", "8")],
                                        (self.work("both.raw"),))
        self.assertEqual((statistics["clocks"], statistics["latency_model_ms"]), (2, 16))

        heard, played = self.recorded()
        write_wav(self.work("heard.wav"), heard.tobytes(), "f32", sound.RATE)
        self.tool(COMMAND, "process", "--preset", "voice-stage", "heard.wav", "expected.wav")
        expected = array.array("f", Wav(self.work("expected.wav")).data)
        first = next(i for i, sample in enumerate(heard) if sample)
        self.assertGreaterEqual(first, self.begun - sound.RATE // 10)
        delays = []
        for second in (1, 2, 3):
            at = first + second * sound.RATE
            delay, match = sound.find_delay(expected, played, at, 4096)
            delays.append(delay)
            self.assertGreater(match, 0.9)
            # Hops begin elsewhere, so it is not the same to the bit; it is far from what went in
            piece = range(at, at + sound.RATE)
            power = sum(expected[i] ** 2 for i in piece)
            off = sum((expected[i] - played[i + round(delay)]) ** 2 for i in piece)
            changed = sum((expected[i] - heard[i]) ** 2 for i in piece)
            self.assertLess(off, 0.15 * power)
            self.assertLess(off, 0.4 * changed)
        self.assertLessEqual(max(delays) - min(delays), 2, delays)
        self.assertLess(delays[0], 0.15 * sound.RATE)

    def test_start(self):
        """Sound comes soon after the start, and from its first moment on at one delay, without a gap or a click."""
        player = self.server.play("player", self.write_raw("noise.raw", sound.soft_noise(40 * sound.RATE)))

        def run():
            recorder = self.server.record(self.work("both.raw"))
            self.server.settle()
            self.begun = self.frames_recorded()
            statistics = self.statistics(self.live("--json", "--preset", "test", "--strength", "0", "--buffer", "20",
                                                   "--seconds", "6"))
            recorder.terminate()
            recorder.wait(10)
            return [statistics]

        self.until_unbroken(run)
        player.terminate()
        player.wait(10)
        heard, played = self.recorded()
        first = next(i for i, sample in enumerate(played) if sample)
        self.assertLess(first - self.begun, START_S * sound.RATE)
        start = first + sound.RATE // 20  # It is faded in
        last = len(played) - next(i for i, sample in enumerate(reversed(played)) if sample)
        self.assertGreater(last - start, 3.5 * sound.RATE)
        whole, _ = sound.find_delay(heard, played, start, 1024)
        near, delays = round(whole) - 24, []
        later = played[near:]
        for at in range(start - round(whole), last - round(whole) - 2048, 1024):
            delay, match = sound.find_delay(heard, later, at, 1024, 48)
            self.assertGreater(match, 0.98, at)
            delays.append(near + delay)
        self.assertLess(max(delays) - min(delays), 0.2e-3 * sound.RATE, delays)

    def test_strength_0_is_bit_exact(self):
        """Nothing drifts, so nothing is resampled: the input's own bits, by a delay near the one that is told."""
        statistics, = self.pass_through(
            sound.soft_noise(9 * sound.RATE), [("--preset", "test", "--strength", "0", "--seconds", "6")],
            (self.work("both.raw"),))
        heard, played = self.recorded()
        start = self.begun + sound.RATE
        delay = round(sound.find_delay(heard, played, start)[0])
        n = sound.RATE // 2
        self.assertEqual(played[start + delay:start + delay + n], heard[start:start + n])
        self.assertLess(abs(delay / sound.RATE * 1e3 - statistics["latency_end_ms"]), 25)

    def test_delay_does_not_grow(self):
        """While the command stood still the server went on recording; that backlog is not kept."""
        path = self.write_raw("noise.raw", sound.soft_noise(20 * sound.RATE))
        options = "--json", "--preset", "test", "--strength", "0", "--seconds", "13"

        def run():
            player, recorder = self.server.play("player", path), self.server.record(self.work("both.raw"))
            self.server.settle()
            sessions = [self.live(*options, "--buffer", "20"),
                        self.live(*options, "--input", "first_mic", "--output", "second_speaker")]
            time.sleep(5)
            self.stopped = self.frames_recorded()
            for session in sessions:
                session.send_signal(signal.SIGSTOP)
            time.sleep(1)
            for session in sessions:
                session.send_signal(signal.SIGCONT)
            statistics = [self.statistics(session) for session in sessions]
            self.ended = self.frames_recorded()
            for process in (player, recorder):
                process.terminate()
                process.wait(10)
            return statistics

        def is_unbroken(statistics):
            """But for what the stop did, over in 3 s."""
            return (max(s["last_interruption_s"] for s in statistics) < 9 and
                    not self.server_was_late(0, self.stopped) and
                    not self.server_was_late(self.stopped + 4 * sound.RATE, self.ended - sound.RATE // 2))

        one, two = self.until_unbroken(run, is_unbroken)
        for each in (one, two):
            self.assertGreaterEqual(each["jumps"] + each["underruns"], 1)
            self.assertLess(each["latency_end_ms"], 150)
        heard, played = self.recorded()
        delays = []
        for piece in (self.stopped - sound.RATE, self.ended - sound.RATE):
            delay, match = sound.find_delay(heard, played, piece, 1024, 2 * sound.RATE)
            self.assertGreater(match, 0.9)
            delays.append(delay)
        self.assertLess(delays[0], 0.15 * sound.RATE)
        self.assertLess(abs(delays[1] - delays[0]), 0.5e-3 * sound.RATE, delays)

    def test_two_devices(self):
        """Two streams with a bridge: all of the audio comes, after the delay that is told."""
        noise = sound.soft_noise(12 * sound.RATE)
        shared = ("--preset", "test", "--strength", "0", "--seconds", "8")
        statistics = self.pass_through(
            noise, [(*shared, "--input", "mic", "--output", "speaker"),
                    (*shared, "--input", "first_mic", "--output", "second_speaker")],
            (self.work("both.raw"),), (self.work("second.raw"), "second.monitor", 1))
        for each in statistics:
            self.assertEqual(each["clocks"], 2)
            self.assertLess(abs(each["drift_ppm"]), 1000)

        heard, played = self.recorded()
        delays = []
        for start in (self.begun + 3 * sound.RATE, self.begun + 4 * sound.RATE):
            delay, match = sound.find_delay(heard, played, start, 2048)
            self.assertGreater(match, 0.9)
            delays.append(delay)
        # As the control starts, the speed is at most some 100 ppm off
        self.assertLess(abs(delays[0] - delays[1]), 200e-6 * sound.RATE + 2)
        self.assertLess(abs(delays[1] / sound.RATE * 1e3 - statistics[0]["latency_end_ms"]), 25)
        # Of the other sink there is no common recording: look for a piece of what was played
        second = sound.read_floats(self.work("second.raw"))
        at = self.begun + 3 * sound.RATE
        _, match = sound.find_delay(second[at:at + 2048], array.array("f", noise), 0, 2048,
                                    len(noise) - 2048)
        self.assertGreater(match, 0.97)


if __name__ == "__main__":
    unittest.main()
