"""maudio quantize: smaller files of the same model, and how much of it is left."""
import array
import json
import math
import os
import shutil
import struct
import subprocess
import unittest
import wave

from support import COMMAND, CommandTest, test_model_config, write_model

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PRESETS = os.path.join(TESTS, "..", "presets")

# Greatest relative error of the logits: rms of the difference over their rms
LOGIT_ERRORS = {"mamba": 0.018, "mamba2": 0.032, "jamba": 0.09, "bamba": 0.032, "nemotron_h": 0.036}

# Least scale-invariant ratio of the output with float32 to the difference, in dB
PRESET_RATIOS_DB = {"voice": 37, "voice-stage": 36, "voice-live": 38, "voice-zero": 37, "voice-studio": 40}

try:
    import safetensors
except ImportError:
    safetensors = None


def read_header(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(size))


def read_tensor(path, name):
    entry = read_header(path)[name]
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        begin, end = entry["data_offsets"]
        file.seek(8 + size + begin)
        return array.array({"F32": "f", "I8": "b"}[entry["dtype"]], file.read(end - begin))


def float32_bytes(path):
    """What the tensors of a file take in float32."""
    return sum(4 * math.prod(entry["shape"]) for name, entry in read_header(path).items() if name != "__metadata__")


class Quantize(CommandTest):
    def quantize(self, *arguments, code=0):
        result = self.run_command("quantize", *arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        if code == 0:
            self.assertEqual(result.stderr, b"")
        self.assert_nothing_left()
        return result

    def refuse(self, *arguments, parts=(), code=1):
        result = self.quantize(*arguments, code=code)
        self.assertEqual(result.stdout, b"")
        self.assert_one_sentence(result, *parts)

    def test_file(self):
        write_model(self.work("in.safetensors"))
        text = self.quantize("in.safetensors", "out.safetensors").stdout.decode()
        size_in, size_out = (os.path.getsize(self.work(f"{name}.safetensors")) for name in ("in", "out"))
        self.assertLess(size_out, 0.5 * size_in)  # 8 columns and a scale in a row
        for part in ("out.safetensors: 4 of 14 tensors", f"{size_out} bytes of {size_in}", " %"):
            self.assertIn(part, text)
        models = [json.loads(self.run_command("info", "--json", f"{name}.safetensors").stdout)["presets"][0]
                  for name in ("in", "out")]
        for model in models:
            del model["path"]
        self.assertEqual(*models)

        # What comes out through a pipe is the same
        piped = self.run_command("quantize", "in.safetensors", "-")
        with open(self.work("out.safetensors"), "rb") as file:
            self.assertEqual(piped.stdout, file.read())
        self.assertEqual(self.quantize("-q", "in.safetensors", "out.safetensors").stdout, b"")

    def test_values(self):
        """Each row is rounded to its greatest magnitude over 127; the rest is as it was."""
        write_model(self.work("in.safetensors"))
        self.quantize("in.safetensors", "out.safetensors")
        header = read_header(self.work("out.safetensors"))
        self.assertEqual(json.loads(header.pop("__metadata__")["maudio"]),
                         dict(test_model_config(), format_version="1.1"))
        for name, entry in header.items():
            found = read_tensor(self.work("out.safetensors"), name)
            if name.endswith(".scale"):
                continue
            weights = read_tensor(self.work("in.safetensors"), name)
            if entry["dtype"] == "F32":
                self.assertEqual(found, weights)
                continue
            scales = read_tensor(self.work("out.safetensors"), name + ".scale")
            n_rows, n_columns = entry["shape"]
            self.assertEqual(len(scales), n_rows)
            for row, scale in enumerate(scales):
                part = slice(row * n_columns, (row + 1) * n_columns)
                self.assertAlmostEqual(127 * scale / max(map(abs, weights[part])), 1, 6)
                for code, weight in zip(found[part], weights[part]):
                    self.assertLessEqual(abs(code * scale - weight), 0.50001 * scale)

    @unittest.skipUnless(safetensors, "needs the Python package safetensors")
    def test_other_readers(self):
        write_model(self.work("in.safetensors"))
        self.quantize("in.safetensors", "out.safetensors")
        with safetensors.safe_open(self.work("out.safetensors"), "np") as file:
            self.assertEqual(set(file.keys()), set(read_header(self.work("out.safetensors"))) - {"__metadata__"})
            for name in file.keys():
                self.assertEqual(file.get_tensor(name).ravel().tolist(),
                                 read_tensor(self.work("out.safetensors"), name).tolist())

    def test_folder(self):
        source = os.path.join(TESTS, "conformance", "mamba")
        self.quantize(source, "small")
        self.assertEqual(sorted(os.listdir(self.work("small"))), ["config.json", "model.safetensors"])
        with open(os.path.join(source, "config.json"), "rb") as a, open(self.work("small", "config.json"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.quantize(os.path.join(source, "config.json"), "small")  # Replaced
        self.assertIn(b"mamba", self.run_command("info", "small").stdout)

    def test_presets(self):
        noisy = os.path.join(TESTS, "audio", "noisy.wav")
        for name, limit in PRESET_RATIOS_DB.items():
            with self.subTest(preset=name):
                model = os.path.join(PRESETS, f"{name}.safetensors")
                self.quantize(model, "int8.safetensors")
                ratio = os.path.getsize(self.work("int8.safetensors")) / float32_bytes(model)
                self.assertLess(ratio, 0.32)
                signals = []
                for file in (model, "int8.safetensors"):
                    self.assertEqual(self.run_command("process", "--model", file, noisy, "out.wav").returncode, 0)
                    with wave.open(self.work("out.wav")) as out:
                        signals.append(array.array("h", out.readframes(out.getnframes())))
                target, found = signals
                energy = sum(t * t for t in target)
                scale = sum(t * f for t, f in zip(target, found)) / energy
                error = sum((scale * t - f) ** 2 for t, f in zip(target, found))
                found_db = 10 * math.log10(scale * scale * energy / error)
                print(f"{name}: {found_db:.1f} dB, file {100 * ratio:.1f} %")
                self.assertGreater(found_db, limit)
                self.assertLess(found_db, 80)  # Or these were not two models

    def logits(self, model, kernels):
        environment = dict(self.environment(), MAUDIO_KERNELS=kernels)
        subprocess.run([COMMAND, "logits", model, self.work("ids.txt"), self.work("logits.f32")], env=environment,
                       check=True, timeout=60)
        with open(self.work("logits.f32"), "rb") as file:
            return array.array("f", file.read())

    def test_token_models(self):
        for name, limit in LOGIT_ERRORS.items():
            source = os.path.join(TESTS, "conformance", name)
            expected = os.path.join(source, "expected.safetensors")
            with open(self.work("ids.txt"), "w", encoding="ascii") as file:
                file.writelines(f"{int(i)}\n" for i in read_tensor(expected, "ids"))
            logits = read_tensor(expected, "logits")
            shutil.rmtree(self.work("small"), ignore_errors=True)
            self.quantize(source, "small")
            n_bytes = [os.path.getsize(os.path.join(f, "model.safetensors")) for f in (self.work("small"), source)]
            self.assertLess(n_bytes[0] / n_bytes[1], 0.36)
            for kernels in ("scalar", "avx2", "avx512", "avx512vnni"):
                with self.subTest(model=name, kernels=kernels):
                    found = self.logits(self.work("small"), kernels)
                    self.assertEqual(len(found), len(logits))
                    off = sum((a - b) ** 2 for a, b in zip(found, logits))
                    error = math.sqrt(off / sum(b * b for b in logits))
                    if kernels == "scalar":
                        print(f"{name}: logits off by {100 * error:.1f} %")
                    self.assertLess(error, limit)
                    self.assertGreater(error, 1e-3)

    def test_refusals(self):
        write_model(self.work("in.safetensors"))
        self.quantize("in.safetensors", "int8.safetensors")
        with open(self.work("out.safetensors"), "w", encoding="ascii") as file:
            file.write("keep")
        self.refuse("int8.safetensors", "out.safetensors", parts=["int8.safetensors", "'", "int8 already"])
        self.refuse("missing.safetensors", "out.safetensors", parts=["missing.safetensors"])
        self.refuse("out.safetensors", "out.safetensors", parts=["out.safetensors"])
        with open(self.work("out.safetensors"), encoding="ascii") as file:
            self.assertEqual(file.read(), "keep")
        self.refuse("in.safetensors", "/dev/full", parts=["/dev/full", "No space"])
        self.refuse("in.safetensors", ".", parts=[".: is a folder"])
        self.refuse("in.safetensors", "nowhere/out.safetensors", parts=["nowhere/out.safetensors"])

    def test_refused_folders(self):
        source = os.path.join(TESTS, "conformance", "mamba")
        os.mkdir(self.work("empty"))
        self.refuse("empty", "out", parts=["empty"])
        self.refuse(source, "nowhere/out", parts=["nowhere/out"])
        with open(self.work("file"), "w", encoding="ascii"):
            pass
        self.refuse(source, "file", parts=["file: is not a folder"])
        self.quantize(source, "int8")
        self.refuse("int8", "out", parts=["int8 already"])
        self.assertFalse(os.path.exists(self.work("out")))

    def test_usage(self):
        for arguments in ((), ("a",), ("a", "b", "c")):
            result = self.run_command("quantize", *arguments)
            self.assertEqual(result.returncode, 2)
            self.assertIn(b"An input and an output", result.stderr)
        self.assertIn(b"Usage: maudio quantize", self.run_command("quantize", "--help").stdout)


if __name__ == "__main__":
    unittest.main()
