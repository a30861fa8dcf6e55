"""maudio live and maudio devices: wrong arguments, missing devices, and sound through a server without a card."""
import fcntl
import glob
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
import time
import unittest

import sound
from support import COMMAND, CommandTest

# No sound card, no server
SILENT = {"HOME": "/nonexistent", "XDG_RUNTIME_DIR": "/nonexistent", "PULSE_SERVER": "unix:/nonexistent",
          "JACK_DEFAULT_SERVER": "maudio-none", "JACK_NO_START_SERVER": "1"}


def has_portaudio():
    result = subprocess.run([COMMAND, "devices", "--help"], capture_output=True, timeout=60)
    return b"no PortAudio" not in result.stderr


def setUpModule():
    if not has_portaudio():
        raise unittest.SkipTest("maudio was built without PortAudio")


class LiveTest(CommandTest):
    def assert_ends(self, result, code, *parts):
        """One sentence; wrong usage points to the help after it."""
        self.assertEqual(result.returncode, code, result.stderr)
        lines = result.stderr.decode().splitlines()
        self.assertEqual(len(lines), 2 if code == 2 else 1, lines)
        self.assertTrue(lines[0].startswith("maudio: "), lines)
        for part in parts:
            self.assertIn(part, lines[0])


class Arguments(LiveTest):
    def refuse(self, *arguments, says, code=2):
        self.assert_ends(self.run_command(*arguments), code, *says)

    def test_usage(self):
        self.refuse("live", "--strength", "2", says=["--strength", '"2"'])
        self.refuse("live", "--channels", "3", says=["--channels", '"3"'])
        self.refuse("live", "--rate", "4000", says=["--rate", "8000"])
        self.refuse("live", "--block", "many", says=["--block"])
        self.refuse("live", "--buffer", "-1", says=["--buffer"])
        self.refuse("live", "--seconds", "0", says=["--seconds"])
        self.refuse("live", "--preset", "a", "--model", "b", says=["exclude"])
        self.refuse("live", "in.wav", says=["in.wav", "no files"])
        self.refuse("live", "--nonsense", says=["--nonsense"])
        self.refuse("devices", "mic", says=["mic"])
        self.refuse("devices", "--nonsense", says=["--nonsense"])

    def test_help(self):
        for verb in ("live", "devices"):
            result = self.run_command(verb, "--help")
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assertTrue(result.stdout.startswith(b"Usage: maudio " + verb.encode()))
            self.assertIn(b"Examples:", result.stdout)
            self.assertLess(max(map(len, result.stdout.decode().splitlines())), 81)

    def test_models(self):
        self.refuse("live", "--preset", "nothing", says=["nothing"], code=1)
        self.refuse("live", "--model", "missing.safetensors", says=["missing.safetensors", "No such file"], code=1)


class NoSound(LiveTest):
    def environment(self):
        return dict(super().environment(), **SILENT)

    def setUp(self):
        super().setUp()
        if glob.glob("/dev/snd/pcm*") or glob.glob("/dev/dsp*"):
            self.skipTest("this machine has a sound card")

    def test_no_devices(self):
        self.assert_ends(self.run_command("devices"), 1, "No audio devices found")
        self.assert_ends(self.run_command("devices", "--json"), 1, "No audio devices found")
        self.assert_ends(self.run_command("live", "--preset", "test"), 1, "No audio input device found")
        self.assert_ends(self.run_command("live", "--preset", "test", "--input", "usb"), 1, "usb", "input device")


class ServerTest(LiveTest):
    """With a sound server of its own."""

    def setUp(self):
        missing = sound.missing()
        if missing:
            self.skipTest(f"no {missing}")
        super().setUp()
        self.server = sound.SoundServer(self.path("server"))
        self.addCleanup(self.server.close)
        if b"mic" not in self.run_command("devices").stdout:
            self.skipTest("PortAudio does not reach PulseAudio: no ALSA plugin for it")

    def environment(self):
        return dict(self.server.environment, MAUDIO_PRESETS=self.path("presets"), TMPDIR=self.folder)

    def live(self, *arguments, **kwargs):
        environment = dict(self.environment(), **kwargs.pop("env", {}))
        process = subprocess.Popen([COMMAND, "live", *arguments], env=environment, cwd=self.work(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
        self.server.clients.append(process)
        return process

    def statistics(self, process, code=0):
        output, errors = process.communicate(timeout=30)
        self.assertEqual((process.returncode, errors), (code, b""))
        return json.loads(output)


class Devices(ServerTest):
    def test_list(self):
        result = self.run_command("devices")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertRegex(result.stdout.decode(), r"\d+  speaker +ALSA +\d+ +\d+ +\d+\n")
        result = self.run_command("devices", "--json")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        devices = {d["name"]: d for d in json.loads(result.stdout)["devices"]}
        self.assertGreater(devices["mic"]["inputs"], 0)
        self.assertTrue(devices["default"]["default_input"])
        self.assertFalse(devices["mic"]["default_output"])

    def test_choice(self):
        def refuse(*arguments, says):
            self.assert_ends(self.run_command("live", "--preset", "test", *arguments), 1, *says)

        refuse("--input", "nothing", says=["nothing", "no such input device"])
        refuse("--output", "99", says=["99", "no such device"])
        refuse("--output", "e", says=["fits", "speaker", "default"])

        # Number, part of a name, whole name that is a part of another
        number = next(str(d["number"]) for d in json.loads(self.run_command("devices", "--json").stdout)["devices"]
                      if d["name"] == "mic")
        for arguments in (["--input", number, "--output", "SPEAKER", "--output", "second_s"], ["--input", "mic"]):
            process = self.live("--preset", "test", "--seconds", "0.3", "--json", *arguments)
            self.assertEqual(self.statistics(process)["clocks"], 2)


class Ends(ServerTest):
    def start(self, *arguments):
        """A session that has begun to hear."""
        player = self.server.play("player", "/dev/zero")
        self.addCleanup(player.wait, 10)
        self.addCleanup(player.terminate)
        live = self.live("--preset", "test", "--json", *arguments)
        time.sleep(1.5)
        self.assertIsNone(live.poll())
        return live

    def assert_device_lost(self, live, name):
        start = time.monotonic()
        output, errors = live.communicate(timeout=30)
        self.assertLess(time.monotonic() - start, 5)
        self.assertEqual(live.returncode, 1)
        self.assertRegex(errors.decode(), rf"\Amaudio: {name}: the device stopped after .*\n\Z")
        self.assertGreater(json.loads(output)["seconds"], 1)

    def test_sink_is_removed(self):
        live = self.start()
        self.server.control("unload-module", "module-null-sink")
        self.assert_device_lost(live, "default")

    def test_server_is_killed(self):
        one, two = self.start(), self.start("--input", "mic", "--output", "speaker")
        self.server.process.kill()
        self.assert_device_lost(one, "default")
        self.assert_device_lost(two, "(mic|speaker)")

    def test_server_hangs(self):
        live = self.start()
        time.sleep(5)  # A device that starts is given more time
        self.server.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.server.process.send_signal, signal.SIGCONT)
        start = time.monotonic()
        output, errors = live.communicate(timeout=30)
        self.assertLess(time.monotonic() - start, 9)
        self.assertEqual(live.returncode, 1)
        self.assertRegex(errors.decode(), r"\Amaudio: default: the device stopped after .*\n\Z")
        json.loads(output)

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            live = self.start()
            live.send_signal(number)
            self.assertGreater(self.statistics(live, code=-number)["seconds"], 1)

    def test_summary(self):
        live = self.live("--preset", "test", "--seconds", "1")
        output, errors = live.communicate(timeout=30)
        self.assertEqual((live.returncode, output), (0, b""))
        self.assertRegex(errors.decode(), r"\A1\.\d s of audio at 48000 Hz, latency \d+ ms, \d+ interruptions?, "
                                          r"load at most \d+ %\n\Z")
        live = self.live("--preset", "test", "--seconds", "0.5", "--quiet")
        self.assertEqual(live.communicate(timeout=30), (b"", b""))


class Terminal(ServerTest):
    def setUp(self):
        super().setUp()
        try:
            self.ours, self.theirs = pty.openpty()
        except OSError as error:
            self.skipTest(f"no pseudo-terminal: {error}")
        self.addCleanup(os.close, self.ours)
        self.addCleanup(os.close, self.theirs)
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, b"\x18\x00\x78\x00\x00\x00\x00\x00")  # 24 rows of 120
        shutil.copy(self.path("presets", "test.safetensors"), self.path("presets", "test-b.safetensors"))
        self.before = termios.tcgetattr(self.theirs)
        self.server.play("player", "/dev/zero")
        self.shown = ""
        self.process = subprocess.Popen(
            [COMMAND, "live", "--preset", "test", "--strength", "0.5"], env=self.environment(), cwd=self.work(),
            stdin=self.theirs, stdout=self.theirs, stderr=self.theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.server.clients.append(self.process)

    def wait_for(self, pattern, keys=""):
        """Press keys, then read until a pattern is shown."""
        self.shown = ""
        os.write(self.ours, keys.encode())
        end = time.monotonic() + 15
        while not re.search(pattern, self.shown):
            self.assertLess(time.monotonic(), end, f"{pattern} is missing in {self.shown!r}")
            if select.select([self.ours], [], [], 0.2)[0]:
                self.shown += os.read(self.ours, 4096).decode()

    def drain(self):
        while select.select([self.ours], [], [], 0.1)[0]:
            self.shown += os.read(self.ours, 4096).decode()

    def test_keys(self):
        self.wait_for(r"in .* out .* dB  -.* dB  test 0\.50  .* ms  cpu .*%  xruns \d")
        self.assertNotEqual(termios.tcgetattr(self.theirs), self.before)
        self.wait_for(r"test 0\.55 ", "+")
        self.wait_for(r"test 0\.65 ", "\033[A\033OA")
        self.wait_for(r"test 0\.60 ", "\033[B")
        self.wait_for(r"test 0\.55 ", "-")
        self.wait_for(r"test 0\.55 bypassed", "b")
        self.wait_for(r"test 0\.55  ", "b")
        self.wait_for(r"1  test\r\n.*2  test-b\r\n", "?")
        self.wait_for(r"test-b 0\.55 ", "2")
        self.wait_for(r"test 0\.55 ", "p")
        self.wait_for(r"test-b 0\.55 ", "n")
        self.wait_for(r"test 0\.55 ", "1")
        self.wait_for(r"test 1\.00 ", "+" * 20)
        self.wait_for(r"test 0\.00 ", "-" * 30)
        self.wait_for(r"s of audio at 48000 Hz", "zx\t\x04q")
        self.assertEqual(self.process.wait(10), 0)
        self.assertEqual(termios.tcgetattr(self.theirs), self.before)

    def test_presets_change_many_times(self):
        self.wait_for(r"test 0\.50 ")
        for _ in range(20):
            self.wait_for(r"test-b 0\.50 ", "2121212")
            self.wait_for(r"test 0\.50 ", "1")
        self.wait_for(r"s of audio", "q")
        self.assertEqual(self.process.wait(10), 0)

    def test_terminal_is_restored(self):
        self.wait_for(r"test 0\.50 ")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV):
            with self.subTest(number=number):
                if self.process.poll() is not None:
                    self.process = subprocess.Popen(
                        self.process.args, env=self.environment(), cwd=self.work(), stdin=self.theirs,
                        stdout=self.theirs, stderr=self.theirs, start_new_session=True,
                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
                    self.server.clients.append(self.process)
                    self.wait_for(r"test 0\.50 ")
                self.assertNotEqual(termios.tcgetattr(self.theirs), self.before)
                if number == signal.SIGINT:
                    os.write(self.ours, b"\x03")  # Ctrl-C
                else:
                    self.process.send_signal(number)
                self.drain()
                self.assertEqual(self.process.wait(10), -number)
                self.assertEqual(termios.tcgetattr(self.theirs), self.before)


class Jack(LiveTest):
    def setUp(self):
        if not shutil.which("jackd"):
            self.skipTest("no jackd")
        super().setUp()
        self.name = f"maudio-{os.getpid()}"
        self.jack = subprocess.Popen(
            ["jackd", "--no-realtime", "--name", self.name, "-d", "dummy", "-r", "44100", "-p", "128", "-C", "2", "-P",
             "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.jack.wait, 20)
        self.addCleanup(self.jack.terminate)
        for _ in range(50):
            if b"system" in self.run_command("devices").stdout:
                return
            time.sleep(0.1)
        self.skipTest("PortAudio does not reach JACK")

    def environment(self):
        return {**super().environment(), **SILENT, "JACK_DEFAULT_SERVER": self.name}

    def test_rate_of_the_server(self):
        result = self.run_command("live", "--preset", "test", "--input", "system", "--output", "system", "--seconds",
                                  "3", "--channels", "2", "--json")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        statistics = json.loads(result.stdout)
        self.assertEqual((statistics["rate_hz"], statistics["clocks"], statistics["channels"]), (44100, 1, 2))
        self.assertGreater(statistics["frames"], 44100)
        result = self.run_command("live", "--preset", "test", "--rate", "48000")
        self.assert_ends(result, 1, "system", "48000 Hz")


if __name__ == "__main__":
    unittest.main()
