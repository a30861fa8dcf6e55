"""maudio info: what presets and model files are."""
import json
import os
import unittest

from support import CommandTest, encode, noise, test_model_config, write_model, write_wav


class Info(CommandTest):
    def info(self, *arguments, code=0):
        result = self.run_command("info", *arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def presets(self, *arguments, code=0):
        return json.loads(self.info("--json", *arguments, code=code).stdout)["presets"]

    def test_json(self):
        (preset,) = self.presets("test")
        self.assertEqual(preset["name"], "test")
        self.assertEqual(preset["task"], "denoise")
        self.assertEqual(preset["latency_ms"], 16)
        self.assertEqual(preset["rate_hz"], 16000)
        self.assertEqual(preset["licence"], "ISC")
        self.assertEqual(preset["path"], self.path("presets", "test.safetensors"))
        n_parameters = 771 * 8 + 8 + 8 + 8 + 514 * 8 + 514 + 42 * 8 + 24 * 4 + 24 + 2 + 2 + 2 + 16 + 8 * 16
        self.assertEqual(preset["parameters"], n_parameters)
        # At least the projections, 125 frames a second
        self.assertGreaterEqual(preset["macs_per_second"], 125 * (771 * 8 + 514 * 8 + 42 * 8 + 8 * 16))
        self.assertLess(preset["macs_per_second"], 250 * n_parameters)

    def test_all_presets(self):
        write_model(self.path("presets", "another.safetensors"), config=dict(test_model_config(), name="other"))
        names = [preset["name"] for preset in self.presets()]
        self.assertEqual([name for name in names if name in ("another", "test")], ["another", "test"])
        text = self.info().stdout.decode()
        self.assertIn("\ntest\n", "\n" + text)
        self.assertIn(self.path("presets", "another.safetensors"), text)

    def test_text(self):
        text = self.info("test").stdout.decode()
        for part in ("test\n", "denoise", "16 ms", "16000 Hz", "ISC", "11,424", "MAC/s",
                     self.path("presets", "test.safetensors")):
            self.assertIn(part, text)

    def test_files(self):
        write_model(self.work("mine.safetensors"), config=dict(test_model_config(), name="mine"))
        for path in ("mine.safetensors", "./mine.safetensors"):
            (preset,) = self.presets(path)
            self.assertEqual((preset["name"], preset["path"]), ("mine", path))

    def test_path_that_is_no_text(self):
        name = b"caf\xe9.safetensors"
        write_model(os.path.join(os.fsencode(self.work()), name))
        (preset,) = self.presets(name)
        self.assertEqual(preset["name"], "test")
        self.assertNotIn("path", preset)

    def test_failures(self):
        write_wav(self.work("in.wav"), encode(noise(100), "s16"))
        os.mkdir(self.work("folder"))
        for argument, says in (("in.wav", "audio file"), ("nothing", "nothing"), ("./missing", "No such file"),
                               ("folder", "folder")):
            with self.subTest(argument=argument):
                result = self.info(argument, code=1)
                self.assertEqual(result.stdout, b"")
                self.assert_one_sentence(result, argument, says)
        self.assertEqual([p["name"] for p in self.presets("in.wav", "test", code=1)], ["test"])

    def test_broken_preset(self):
        """It is named, the others are shown."""
        with open(self.path("presets", "broken.safetensors"), "wb") as file:
            file.write(b"broken")
        result = self.info("--json", code=1)
        self.assert_one_sentence(result, "broken.safetensors")
        self.assertIn("test", [preset["name"] for preset in json.loads(result.stdout)["presets"]])


if __name__ == "__main__":
    unittest.main()
