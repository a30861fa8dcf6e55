"""maudio logits: scores of models of tokens; and what info says of such models."""
import array
import json
import os
import struct
import sys
import unittest

from support import CommandTest

MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance")
JAMBA = os.path.join(MODELS, "small_jamba")
N_VOCAB, N_STEPS = 40, 40


def floats(data):
    numbers = array.array("f", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def expected(model):
    """The ids of a reference, and its logits."""
    with open(os.path.join(MODELS, model, "expected.safetensors"), "rb") as file:
        data = file.read()
    n_header = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + n_header])

    def tensor(name):
        begin, end = header[name]["data_offsets"]
        return floats(data[8 + n_header + begin:8 + n_header + end])

    return [int(i) for i in tensor("ids")], tensor("logits")


class Logits(CommandTest):
    def setUp(self):
        super().setUp()
        self.ids, self.scores = expected("small_jamba")
        self.lines = "".join(f"{i}\n" for i in self.ids).encode()
        with open(self.work("ids.txt"), "wb") as file:
            file.write(self.lines)

    def logits(self, *arguments, code=0, stdin=b""):
        result = self.run_command("logits", *arguments, input=stdin)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def read(self, name="out.f32"):
        with open(self.work(name), "rb") as file:
            return file.read()

    def test_agrees_with_the_reference(self):
        result = self.logits(JAMBA, "ids.txt", "out.f32")
        self.assertEqual((result.stdout, result.stderr), (b"", b""))
        found = floats(self.read())
        self.assertEqual(len(found), N_STEPS * N_VOCAB)
        self.assertLess(max(abs(a - b) for a, b in zip(found, self.scores)), 2e-4)

    def test_pipes_and_chunks(self):
        first = self.logits(JAMBA, "ids.txt").stdout
        self.assertEqual(len(first), 4 * N_STEPS * N_VOCAB)
        for arguments in (("--chunk=1", "-", "-"), ("--chunk=7", "-"), ("--context=40", "-", "-"),
                          ("--context=41", "--chunk=65536", "-")):
            with self.subTest(arguments=arguments):
                options, names = [a for a in arguments if a[:2] == "--"], [a for a in arguments if a[:2] != "--"]
                self.assertEqual(self.logits(*options, JAMBA, *names, stdin=self.lines).stdout, first)
        short = self.logits("--context=5", JAMBA, "ids.txt").stdout
        self.assertEqual(short[:4 * 5 * N_VOCAB], first[:4 * 5 * N_VOCAB])
        self.assertNotEqual(short, first)

    def test_lines(self):
        """The last may lack its end, others may end as elsewhere; nothing is nothing."""
        whole = self.logits(JAMBA, "-", stdin=b"1\n2\n3\n").stdout
        self.assertEqual(self.logits(JAMBA, "-", stdin=b"1\r\n2 \n3").stdout, whole)
        self.assertEqual(self.logits(JAMBA, "-", stdin=b"").stdout, b"")

    def test_bad_tokens(self):
        with open(self.work("out.f32"), "wb") as file:
            file.write(b"as it was")
        for text, says in ((b"1\nx\n", 'line 2: "x"'), (b"40\n", 'line 1: "40" is not a token from 0 to 39'),
                           (b"1\n\n2\n", "line 2"), (b"-1\n", "-1"), (b"1 2\n", "1 2"), (b"1.5", "1.5"),
                           (b"99999999999999999999999\n", "999")):
            with self.subTest(text=text):
                result = self.logits(JAMBA, "-", "out.f32", code=1, stdin=text)
                self.assert_one_sentence(result, "standard input", says)
                self.assertEqual(self.read(), b"as it was")
        self.assertEqual(sorted(os.listdir(self.work())), ["ids.txt", "out.f32"])

    def test_failures(self):
        os.mkdir(self.work("folder"))
        preset = self.path("presets", "test.safetensors")
        for arguments, says in (((preset, "ids.txt"), "not a model of tokens"),
                                (("missing", "ids.txt"), "missing: No such file"),
                                (("folder", "ids.txt"), "folder/config.json: No such file"),
                                ((JAMBA, "no.txt"), "no.txt: No such file"),
                                ((JAMBA, "ids.txt", "folder"), "folder"),
                                ((JAMBA, "ids.txt", "no/out.f32"), "no/out.f32")):
            with self.subTest(arguments=arguments):
                self.assert_one_sentence(self.logits(*arguments, code=1), says)

    def test_usage(self):
        for arguments in ((), (JAMBA,), (JAMBA, "a", "b", "c"), ("--chunk=0", JAMBA, "a"),
                          ("--context=99999999999", JAMBA, "a"), ("--no-such", JAMBA, "a")):
            with self.subTest(arguments=arguments):
                result = self.logits(*arguments, code=2)
                self.assertIn(b"Try 'maudio logits --help'.", result.stderr)
        self.assertIn(b"maudio logits", self.logits("--help").stdout)

    def test_models_of_the_other_kind(self):
        """Token models process no audio."""
        result = self.run_command("process", "--model", JAMBA, "in.wav", "out.wav")
        self.assertEqual(result.returncode, 1)
        self.assert_one_sentence(result, JAMBA, "removes noise")

    def test_info(self):
        text = self.run_command("info", JAMBA).stdout.decode()
        for part in ("small_jamba\n", "tokens", "8 layers, width 24", "mamba, moe, attention, mlp, mamba, mlp",
                     "40 tokens", "4,096 steps", "bytes", "MAC"):
            self.assertIn(part, text)
        (model,) = json.loads(self.run_command("info", "--json", JAMBA).stdout)["presets"]
        self.assertEqual(model["task"], "tokens")
        self.assertEqual(model["vocabulary"], 40)
        self.assertEqual(model["layer_kinds"], ["mamba", "moe", "attention", "mlp", "mamba", "mlp", "mamba", "moe"])
        self.assertGreater(model["state_bytes"], 4096 * 2 * 8 * 4)
        self.assertGreater(model["macs_per_step"], 4096 * 2 * 24)


if __name__ == "__main__":
    unittest.main()
