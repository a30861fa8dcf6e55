"""Train a generator for a given time on one GPU (or, tiny, on the CPU).

    python training/sample_train.py --config training/configs/percussion.json --data train.npz --check eval.npz \
        --out RUN --minutes 20

The data come from sample_data.py. Every clip of a batch goes on where it ended in the batch before, with the network's
state, until it jumps to the start of another piece, with none: so the network hears pieces from their first sample on,
and for minutes. RUN/checkpoint.pt holds all that --resume needs; its entry "model" is the running average of the
weights, which export.py writes.
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch

from model import load_config
from optim import learning_rate, optimizers_of
from sample_model import SILENCE, Generator, bits

ENOUGH = 100            # steps whose mean loss says something: clips differ much


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--config", required=True, help="JSON of the network, docs/model-format.md")
    p.add_argument("--data", required=True, help="codes and starts of pieces, from sample_data.py")
    p.add_argument("--check", required=True, help="such a file of held-out pieces, to watch the progress on")
    p.add_argument("--out", required=True)
    p.add_argument("--minutes", type=float, required=True, help="length of the schedule, this run and those it resumes")
    p.add_argument("--pause", type=float, help="minutes after which this run ends, to be resumed")
    p.add_argument("--batch", type=int, default=24, help="clips a step")
    p.add_argument("--samples", type=int, default=24576, help="length of a clip")
    p.add_argument("--jump", type=float, default=0.05, help="chance a step that a clip goes to the start of a piece")
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--optimizer", choices=("adamw", "muon"), default="muon")
    p.add_argument("--average", type=float, default=0.999, help="decay a step of the running average of the weights")
    p.add_argument("--resume", help="checkpoint.pt to continue from")
    p.add_argument("--restart-schedule", action="store_true", help="with --resume: weights alone, a fresh schedule")
    p.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="torch.compile the network")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--every", type=float, default=45.0, help="seconds between checks and checkpoints")
    return p.parse_args()


class Reader:
    """Clips of consecutive codes, each a lane that goes on through the data or jumps."""

    def __init__(self, path, batch, length, jump, device, seed):
        with np.load(path) as archive:
            self.codes = torch.from_numpy(archive["codes"]).to(device)
            starts = archive["starts"]
        starts = starts[starts + length <= len(self.codes)]
        if not len(starts):
            raise SystemExit(f"{path}: shorter than a clip of {length} samples")
        self.starts = torch.from_numpy(starts).to(device)
        self.length, self.jump = length, jump
        self.g = torch.Generator(device).manual_seed(seed)
        self.at = torch.full((batch,), len(self.codes), device=device)
        self.steps = torch.arange(length, device=device)

    def batch(self):
        """-> codes (B, T), the code before them (B, 1), and which lanes went on (B,)."""
        jumps = torch.rand(len(self.at), device=self.at.device, generator=self.g) < self.jump
        jumps |= self.at + self.length > len(self.codes)
        drawn = torch.randint(len(self.starts), (len(self.at),), device=self.at.device, generator=self.g)
        self.at = torch.where(jumps, self.starts[drawn], self.at)
        before = torch.where(jumps, SILENCE, self.codes[(self.at - 1).clamp(min=0)]).unsqueeze(1)
        codes = self.codes[self.at.unsqueeze(1) + self.steps]
        self.at = self.at + self.length
        return codes.long(), before.long(), ~jumps


def kept(state, goes_on):
    """The state, with that of lanes that jumped set to zero; (B,) bool."""
    if isinstance(state, torch.Tensor):
        return state * goes_on.view(-1, *[1] * (state.dim() - 1)).to(state.dtype)
    return state if state is None else type(state)(kept(s, goes_on) for s in state)


class Trainer:
    def __init__(self, args):
        self.args = args
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(args.seed)
        torch.set_float32_matmul_precision("high")
        self.cfg = load_config(args.config)
        self.model = Generator(self.cfg).to(self.device)
        self.parameters = list(self.model.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizers = optimizers_of(self.model, args.optimizer, args.lr, "tiers")
        self.step, self.elapsed = 0, 0.0
        if args.resume:
            self.load(args.resume)
        self.network = torch.compile(self.model, dynamic=False) if args.compile else self.model
        self.reader = Reader(args.data, args.batch, args.samples, args.jump, self.device, args.seed + self.step)
        self.held_out = Reader(args.check, args.batch, args.samples, 0.0, self.device, 1)
        self.state = self.zero_state(args.batch)

    def zero_state(self, batch):
        return self.model.zero_state(batch, self.device,
                                     torch.bfloat16 if self.device.type == "cuda" else torch.float32)

    def load(self, path):
        saved = torch.load(path, map_location=self.device, weights_only=True)
        if self.args.restart_schedule:
            self.model.load_state_dict(saved["model"])
        else:
            self.model.load_state_dict(saved["raw"])
            for optimizer, state in zip(self.optimizers, saved["optimizers"]):
                optimizer.load_state_dict(state)
            self.step, self.elapsed = saved["step"], saved["elapsed"]
        for (name, _), value in zip(self.model.named_parameters(), self.average):
            value.copy_(saved["model"][name])

    def save(self):
        names = [n for n, _ in self.model.named_parameters()]
        path = os.path.join(self.args.out, "checkpoint.pt")
        torch.save({"config": self.cfg, "model": dict(zip(names, self.average)), "raw": self.model.state_dict(),
                    "optimizers": [o.state_dict() for o in self.optimizers], "step": self.step,
                    "elapsed": self.elapsed, "args": vars(self.args)}, path + ".new")
        os.replace(path + ".new", path)

    def loss(self, network, codes, before, state):
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits, state = network(torch.cat([before, codes[:, :-1]], 1), state)
        return bits(logits, codes), state

    def train_step(self, scale):
        codes, before, goes_on = self.reader.batch()
        loss, self.state = self.loss(self.network, codes, before, kept(self.state, goes_on))
        loss.backward()
        flat = torch.cat([p.grad.flatten() for p in self.parameters])
        norm = flat.norm()
        flat = torch.where(torch.isfinite(norm), flat * (1.0 / (norm + 1e-6)).clamp(max=1), torch.zeros_like(flat))
        for p, value in zip(self.parameters, flat.split([p.numel() for p in self.parameters])):
            p.grad = value.view_as(p)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.args.lr * scale
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        decay = min(self.args.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, 1 - decay)
        self.step += 1
        return loss.detach()

    @torch.no_grad()
    def check(self):
        """Bits a sample of the averaged weights on the held-out pieces, each batch of lanes from silence on."""
        saved = [p.detach().clone() for p in self.parameters]
        torch._foreach_copy_(self.parameters, self.average)
        reader, total = self.held_out, []
        lane = len(reader.codes) // len(reader.at) // reader.length * reader.length
        if not lane:
            raise SystemExit(f"{self.args.check}: shorter than {len(reader.at)} clips of {reader.length} samples")
        reader.at = lane * torch.arange(len(reader.at), device=self.device)
        state = self.zero_state(len(reader.at))
        for _ in range(lane // reader.length):
            codes, before, _ = reader.batch()
            loss, state = self.loss(self.model, codes, before, state)
            total.append(loss)
        torch._foreach_copy_(self.parameters, saved)
        return torch.stack(total).mean().item()

    def run(self):
        os.makedirs(self.args.out, exist_ok=True)
        log = open(os.path.join(self.args.out, "log.jsonl"), "a", encoding="utf-8", buffering=1)
        begun, before, checked, total, count = time.time(), self.elapsed, time.time(), 0.0, 0
        until, lowest = 60 * min(self.args.minutes, before / 60 + (self.args.pause or math.inf)), math.inf
        while True:
            total = total + self.train_step(learning_rate(self.elapsed / (60 * self.args.minutes), self.step))
            count += 1
            if self.step % 10 == 0 and self.device.type == "cuda":
                torch.cuda.synchronize()
            self.elapsed = before + time.time() - begun
            done = self.elapsed >= until
            if done or time.time() - checked > self.args.every:
                mean = total.item() / count
                line = {"step": self.step, "seconds": round(self.elapsed),
                        "samples_a_second": round(count * self.reader.length * self.args.batch / (time.time() - checked)),
                        "bits": round(mean, 4), "held_out": round(self.check(), 4)}
                log.write(json.dumps(line) + "\n")
                if count >= ENOUGH:
                    lowest = min(lowest, mean)
                if not mean < lowest + 1:
                    raise SystemExit(f"{self.args.out}: diverged at step {self.step}; the last checkpoint is kept")
                self.save()
                checked, total, count = time.time(), 0.0, 0
            if done:
                break


if __name__ == "__main__":
    Trainer(parse()).run()
