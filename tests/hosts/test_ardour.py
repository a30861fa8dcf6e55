"""A session of a workstation: what it exports is that of maudio process."""

import glob
import os
import re
import subprocess
import unittest

from support import (LATENCY_FRAMES, MONO, STEREO, HostTest, difference_dbfs, need, read_text,
                     read_wav, write_wav)

HERE = os.path.dirname(os.path.abspath(__file__))

TICKS = 282240000 // 48000  # Ardour's time units per frame

SOURCE = '<Source name="{name}" type="audio" flags="" id="{id}" channel="{channel}" gain="1"/>'

REGION = """<Region name="take" opaque="1" start="a0" length="a{ticks}@a0" fade-in-active="0"
 fade-out-active="0" scale-amplitude="1" id="9100" type="audio" first-edit="nothing" {sources}
 channels="{n_channels}"/>"""

LOCATION = """<Location id="9200" name="session" start="a0" end="a{ticks}"
 flags="IsSessionRange" locked="0" position-lock-style="AudioTime" timestamp="0"/>"""


class Ardour(HostTest):
    def setUp(self):
        super().setUp()
        need("ardour7-lua", "ardour7-export")
        home = self.path("home")
        os.mkdir(home)
        self.environment = dict(os.environ, HOME=home, XDG_CONFIG_HOME=home)

    def add_audio(self, session, channels):
        """Put a recording on the track, as an import would: nothing does so from Lua."""
        n_frames = len(channels[0])
        folder = glob.glob(os.path.join(session, "interchange", "*", "audiofiles"))[0]
        sources = []
        for c, channel in enumerate(channels):
            write_wav(os.path.join(folder, f"take-{c}.wav"), 48000, [channel])
            sources.append(SOURCE.format(name=f"take-{c}.wav", id=9000 + c, channel=0))
        region = REGION.format(
            ticks=n_frames * TICKS, n_channels=len(channels),
            sources=" ".join(f'source-{c}="{9000 + c}" master-source-{c}="{9000 + c}"'
                             for c in range(len(channels))))
        path = os.path.join(session, "session.ardour")
        text = read_text(path)
        for old, new in (
                (r"<Sources/>", f"<Sources>{''.join(sources)}</Sources>"),
                (r"<Locations/>",
                 f"<Locations>{LOCATION.format(ticks=n_frames * TICKS)}</Locations>"),
                (r'(<Playlist [^>]*name="track"[^>]*)/>', rf"\1>{region}</Playlist>")):
            text, n = re.subn(old, new, text)
            self.assertEqual(n, 1, old)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def export(self, session, n_frames):
        """Export, again if need be: Ardour may hang before, and abort after it has written."""
        out = self.path("out.wav")
        for _ in range(4):
            try:
                self.run_program("ardour7-export", "-o", out, "-b", "float", "-s", "48000",
                                 session, "session", check=False, env=self.environment,
                                 timeout=60)
            except subprocess.TimeoutExpired:
                continue
            if os.path.exists(out):
                channels = read_wav(out)[1]
                if len(channels[0]) == n_frames:
                    return channels
        return self.fail("Ardour exported nothing in four attempts")

    def find_silence(self, rate, channels, found, preset):
        """How much the plugin ran before: 2 s and some blocks, less its latency, of silence."""
        path = self.path("silence.wav")
        part = [x[:rate] for x in channels]

        def difference(before):
            write_wav(path, rate, [[0.0] * before + x for x in part])
            wanted = self.process(path, "--preset", preset)[0][before:]
            return difference_dbfs(found[0], wanted[:rate // 2], 0)

        return min((2 * rate + 1024 * blocks - LATENCY_FRAMES[preset] for blocks in range(1, 20)),
                   key=difference)

    def check(self, uri, n_channels, preset, number):
        path = self.make_input(n_channels)
        session = self.path("session")
        self.run_program("ardour7-lua", os.path.join(HERE, "ardour_session.lua"), session,
                         uri, str(n_channels), number, env=self.environment)
        rate, channels = read_wav(path)
        self.add_audio(session, channels)
        found = self.export(session, len(channels[0]))[:n_channels]
        before = self.find_silence(rate, channels, found, preset)
        write_wav(path, rate, [[0.0] * before + x for x in channels])
        wanted = [x[before:] for x in self.process(path, "--preset", preset)]
        self.check_null(found, wanted, 0, f"Ardour {uri} {preset}, {before} frames before")

    def test_mono(self):
        self.check(MONO, 1, "voice", "0")

    def test_stereo(self):
        self.check(STEREO, 2, "voice-live", "1")


if __name__ == "__main__":
    unittest.main()
