"""Train a denoiser for a given time on one or more GPUs.

    python training/train.py --config training/configs/voice.json --data DATA/train --check DATA/eval \
        --out RUN --minutes 20
    torchrun --nproc-per-node 2 training/train.py ...

DATA/{train,eval}/{speech,noise,music}/*.opus come from prepare.py. RUN/checkpoint.pt holds all that --resume needs;
its entry "model" is the running average of the weights, which export.py writes.
"""
import argparse
import functools
import json
import math
import os
import time

import torch
import torch.distributed as dist
from safetensors import safe_open
from torch import nn

from losses import Loss, si_sdr_db
from mamba import softplus_inverse
from mix import Mixer, Pool, read_folder, read_rooms
from model import load_config
from optim import GENTLE, learning_rate, optimizers_of
from recorded import Recorded, gradient
from steer_model import SteeredDenoiser, denoiser_of

MIXED_AT_ONCE = 8       # steps that one call of the mixer serves: its many small kernels cost the same for more clips


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--config", required=True, help="JSON of the network, docs/model-format.md")
    p.add_argument("--data", required=True, nargs="+", help="folders with speech/, noise/, music/ and rir/")
    p.add_argument("--check", help="such a folder of held-out audio, to watch the progress on")
    p.add_argument("--out", required=True)
    p.add_argument("--minutes", type=float, required=True, help="length of the schedule, this run and those it resumes")
    p.add_argument("--pause", type=float, help="minutes after which this run ends, to be resumed")
    p.add_argument("--batch", type=int, default=64, help="clips a GPU and step")
    p.add_argument("--seconds", type=float, default=4.0, help="length of a clip")
    p.add_argument("--halved", type=float, default=0.0, metavar="SHARE",
                   help="of the steps, whose clips are each two of half the length: beginnings weigh more (default: none)")
    p.add_argument("--pairings", type=int, default=1, help="times that speech and noise once drawn are mixed anew")
    p.add_argument("--loss", type=float, nargs=3, default=(100.0, 0.6, 0.15), metavar=("SPECTRAL", "PESQ", "SDR"),
                   help="weights of the parts of the loss (default: %(default)s)")
    p.add_argument("--windows", type=int, nargs="+", default=(256, 512, 1024),
                   help="samples of the windows of the spectral part (default: %(default)s)")
    p.add_argument("--corner", type=float, default=1e9, metavar="HZ",
                   help="bins of the spectral part weigh as 1 / (frequency + HZ) (default: all alike)")
    p.add_argument("--quiet", type=float, default=0.0, metavar="WEIGHT",
                   help="in the spectral part, of what is left where the clean speech is quiet (default 0: as anywhere)")
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    p.add_argument("--average", type=float, default=0.999, help="decay a step of the running average of the weights")
    p.add_argument("--init", help="model file to start from; it may lack the filter, or have latency where the network has none")
    p.add_argument("--resume", help="checkpoint.pt to continue from")
    p.add_argument("--restart-schedule", action="store_true", help="with --resume: weights alone, a fresh schedule")
    p.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="torch.compile the network")
    p.add_argument("--record", action=argparse.BooleanOptionalAction, default=True, help="one CUDA graph for a step")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--every", type=float, default=45.0, help="seconds between checks and checkpoints")
    return p.parse_args()


def pools_of(folders, device):
    pools = {}
    for kind in ("speech", "noise", "music"):
        sources = {}
        for folder in folders:
            sources.update(read_folder(os.path.join(folder, kind)))
        if sources:
            pools[kind] = Pool(sources, device)
    for kind in ("speech", "noise"):
        if kind not in pools:
            raise SystemExit(f"{', '.join(folders)}: no {kind}")
    rooms = read_rooms([os.path.join(folder, "rir") for folder in folders])
    if rooms is not None:
        pools["rooms"] = torch.from_numpy(rooms).to(device)
    return pools


def rescale(state, cfg, to):
    """Change steps of time of the slow blocks in `state` to the hop of `to`: the same decay a second."""
    ratio = to["front_end"]["hop_ms"] / cfg["front_end"]["hop_ms"]
    for name, value in state.items():
        if name.startswith("backbone") and name.endswith(("dt_bias", "dt_proj.bias")) and ratio != 1:
            value.copy_(softplus_inverse(nn.functional.softplus(value) * ratio))


class Trainer:
    def __init__(self, args):
        self.args = args
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if torch.cuda.is_available() \
            else torch.device("cpu")
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        if self.world > 1:
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        torch.manual_seed(args.seed)
        torch.set_float32_matmul_precision("high")
        self.cfg = load_config(args.config)
        self.model = denoiser_of(self.cfg)
        if args.init:
            self.start_from(args.init)
        self.model.to(self.device)
        self.parameters = list(self.model.parameters())
        self.shares = [GENTLE if n in self.model.gentle else 1.0 for n, _ in self.model.named_parameters()]
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizers = optimizers_of(self.model, args.optimizer, args.lr, self.model.blocks, self.model.gentle)
        self.loss = Loss(dict(zip(("spectral", "pesq", "sdr"), args.loss)), args.windows, args.corner,
                         args.quiet).to(self.device)
        self.step, self.elapsed = 0, 0.0
        if args.resume:
            self.load(args.resume)
        self.networks = self.model.networks()
        if args.compile:
            self.networks = tuple(torch.compile(network, dynamic=False) for network in self.networks)
        self.mixer = Mixer(pools_of(args.data, self.device), args.batch * MIXED_AT_ONCE, args.seconds, self.device,
                           args.seed * 1000 + self.rank + 100 * self.step)
        self.mixed = []
        if args.record and self.device.type == "cuda":
            self.gradient = Recorded(self.loss_of, self.parameters)
        else:
            self.gradient = functools.partial(gradient, self.loss_of, self.parameters)
        self.check_set = None
        if args.check:
            self.check_set = Mixer(pools_of([args.check], self.device), 64, args.seconds, self.device, 7).batch()

    def start_from(self, path):
        """Take over the tensors of a model file, so far as this network has them."""
        with safe_open(path, "pt") as f:
            state = {name: f.get_tensor(name).float() for name in f.keys()}
            rescale(state, json.loads(f.metadata()["maudio"]), self.cfg)
        if isinstance(self.model, SteeredDenoiser) and "band_out.weight" in state:
            self.model.start_from(state)
        else:
            absent = {n: v for n, v in self.model.state_dict().items() if n.startswith("filter_out")}
            self.model.load_state_dict({**absent, **state})

    def load(self, path):
        saved = torch.load(path, map_location=self.device, weights_only=True)
        if self.args.restart_schedule:
            rescale(saved["model"], saved["config"], self.cfg)
            self.model.load_state_dict(saved["model"])
        else:
            self.model.load_state_dict(saved["raw"])
            for optimizer, state in zip(self.optimizers, saved["optimizers"]):
                optimizer.load_state_dict(state)
            self.step, self.elapsed = saved["step"], saved["elapsed"]
        averaged = dict(zip((n for n, _ in self.model.named_parameters()), self.average))
        for name, value in saved["model"].items():
            averaged[name].copy_(value)

    def save(self):
        names = [n for n, _ in self.model.named_parameters()]
        path = os.path.join(self.args.out, "checkpoint.pt")
        torch.save({"config": self.cfg, "model": dict(zip(names, self.average)), "raw": self.model.state_dict(),
                    "optimizers": [o.state_dict() for o in self.optimizers], "step": self.step,
                    "elapsed": self.elapsed, "args": vars(self.args)}, path + ".new")
        os.replace(path + ".new", path)

    def enhance(self, noisy, networks):
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            return self.model(noisy, networks)

    def loss_of(self, noisy, clean):
        return self.loss(self.enhance(noisy, self.networks), clean, noisy)

    def train_step(self, scale):
        if not self.mixed:
            sources = self.mixer.sources()
            pairs = [self.mixer.combine(*sources) for _ in range(self.args.pairings)]
            self.mixed = [x for p in pairs for x in zip(*(y.split(self.args.batch) for y in p))]
        pair = self.mixed.pop()
        if int((self.step + 1) * self.args.halved) > int(self.step * self.args.halved):
            pair = [x.reshape(2 * len(x), -1) for x in pair]
        grads, parts = self.gradient(*pair)
        flat = torch.cat([g.flatten() for g in torch._foreach_mul(grads, self.shares)])
        if self.world > 1:
            dist.all_reduce(flat)
            flat /= self.world
        norm = flat.norm()
        flat = torch.where(torch.isfinite(norm), flat * (2.0 / (norm + 1e-6)).clamp(max=1), torch.zeros_like(flat))
        for p, value in zip(self.parameters, flat.split([p.numel() for p in self.parameters])):
            p.grad = value.view_as(p)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.args.lr * scale * group.get("share", 1)
            optimizer.step()
        decay = min(self.args.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, 1 - decay)
        self.step += 1
        return parts

    @torch.no_grad()
    def check(self):
        """Scores of the averaged weights on held-out audio."""
        kept = [p.detach().clone() for p in self.parameters]
        torch._foreach_copy_(self.parameters, self.average)
        noisy, clean = self.check_set
        estimate = self.enhance(noisy, self.model.networks())
        _, parts = self.loss(estimate, clean, noisy)
        active = clean.square().mean(1) > 1e-8
        level = 0.1 / (noisy.square().mean(-1, keepdim=True).sqrt() + 1e-4)
        mos = self.loss.disturbance.mos(estimate * level, clean * level)[active]
        torch._foreach_copy_(self.parameters, kept)
        return {**{k: round(v.item(), 4) for k, v in parts.items()},
                "mos": round(mos.mean().item(), 3),
                "si_sdr": round(si_sdr_db(estimate, clean)[active].mean().item(), 2)}

    def agreed(self, seconds):
        """The first process's `seconds`, in all; one alone does not wait for its GPU."""
        if self.world == 1:
            return seconds
        value = torch.full((1,), seconds, dtype=torch.float64, device=self.device)
        dist.broadcast(value, 0)
        return value.item()

    def run(self):
        os.makedirs(self.args.out, exist_ok=True)
        log = open(os.path.join(self.args.out, f"log{self.rank or ''}.jsonl"), "a", encoding="utf-8", buffering=1)
        begun, before, checked, totals, count = time.time(), self.elapsed, time.time(), {}, 0
        lowest = math.inf
        until = 60 * min(self.args.minutes, before / 60 + (self.args.pause or math.inf))
        while True:
            progress = self.elapsed / (60 * self.args.minutes)
            for k, v in self.train_step(learning_rate(progress, self.step)).items():
                totals[k] = totals.get(k, 0) + v
            count += 1
            if self.step % 10 == 0:
                self.elapsed = self.agreed(before + time.time() - begun)
            done = self.elapsed >= until
            if self.rank == 0 and (done or time.time() - checked > self.args.every):
                line = {"step": self.step, "seconds": round(self.elapsed), "progress": round(progress, 3),
                        "clips_a_second": round(count * self.args.batch * self.world / (time.time() - checked), 1),
                        **{k: round(v.item() / count, 4) for k, v in totals.items()}}
                if self.check_set:
                    line["check"] = self.check()
                log.write(json.dumps(line) + "\n")
                lowest = min(lowest, line["spectral"])
                if not line["spectral"] < 10 * lowest:
                    raise SystemExit(f"{self.args.out}: diverged at step {self.step}; the last checkpoint is kept")
                self.save()
                checked, totals, count = time.time(), {}, 0
            if done:
                break
        if self.world > 1:
            dist.barrier()
            dist.destroy_process_group()


if __name__ == "__main__":
    Trainer(parse()).run()
