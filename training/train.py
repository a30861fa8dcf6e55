"""Train a denoiser for a given time on one or more GPUs.

    python training/train.py --config training/configs/voice.json --data DATA/train --check DATA/eval \
        --out RUN --minutes 20
    torchrun --nproc-per-node 2 training/train.py ...

DATA/{train,eval}/{speech,noise,music}/*.opus come from prepare.py. RUN/checkpoint.pt holds all that --resume needs;
its entry "model" is the running average of the weights, which export.py writes.
"""
import argparse
import json
import math
import os
import time

import torch
import torch.distributed as dist
from torch import nn

from losses import Loss, si_sdr_db
from mix import Mixer, Pool, read_folder, read_rooms
from model import Denoiser, load_config, softplus_inverse

MIXED_AT_ONCE = 4       # steps that one call of the mixer serves: its many small kernels cost the same for more clips


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--config", required=True, help="JSON of the network, docs/model-format.md")
    p.add_argument("--data", required=True, nargs="+", help="folders with speech/, noise/, music/ and rir/")
    p.add_argument("--check", help="such a folder of held-out audio, to watch the progress on")
    p.add_argument("--out", required=True)
    p.add_argument("--minutes", type=float, required=True, help="length of the schedule, this run and those it resumes")
    p.add_argument("--batch", type=int, default=64, help="clips a GPU and step")
    p.add_argument("--seconds", type=float, default=4.0, help="length of a clip")
    p.add_argument("--pairings", type=int, default=1, help="times that speech and noise once drawn are mixed anew")
    p.add_argument("--loss", type=float, nargs=3, default=(100.0, 0.6, 0.15), metavar=("SPECTRAL", "PESQ", "SDR"),
                   help="weights of the parts of the loss (default: %(default)s)")
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    p.add_argument("--average", type=float, default=0.999, help="decay a step of the running average of the weights")
    p.add_argument("--resume", help="checkpoint.pt to continue from")
    p.add_argument("--restart-schedule", action="store_true", help="with --resume: weights alone, a fresh schedule")
    p.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="torch.compile the network")
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


def optimizers_of(model, kind, lr):
    """AdamW, or Muon (Jordan et al. 2024) for the matrices of the blocks and AdamW for the rest."""
    decay, matrices, plain = [], [], []
    for name, p in model.named_parameters():
        matrix = p.dim() == 2 and "A_log" not in name and "bias" not in name
        muon = matrix and name.startswith("backbone") and kind == "muon"
        (matrices if muon else decay if matrix else plain).append(p)
    groups = [{"params": decay, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    out = [torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))]
    if matrices:
        out.append(torch.optim.Muon(matrices, lr=lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"))
    return out


def learning_rate(progress, step):
    """Warm-up of 300 steps, then flat for a fifth of the time and a cosine down to a hundredth."""
    fall = max(0.0, (min(progress, 1.0) - 0.2) / 0.8)
    return min(1.0, (step + 1) / 300) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall)))


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
        self.model = Denoiser(self.cfg).to(self.device)
        self.parameters = list(self.model.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizers = optimizers_of(self.model, args.optimizer, args.lr)
        self.loss = Loss(dict(zip(("spectral", "pesq", "sdr"), args.loss))).to(self.device)
        self.step, self.elapsed = 0, 0.0
        if args.resume:
            self.load(args.resume)
        self.network = torch.compile(self.model.network) if args.compile else self.model.network
        self.mixer = Mixer(pools_of(args.data, self.device), args.batch * MIXED_AT_ONCE, args.seconds, self.device,
                           args.seed * 1000 + self.rank + 100 * self.step)
        self.mixed = []
        self.check_set = None
        if args.check:
            self.check_set = Mixer(pools_of([args.check], self.device), 64, args.seconds, self.device, 7).batch()

    def load(self, path):
        saved = torch.load(path, map_location=self.device, weights_only=True)
        if self.args.restart_schedule:
            ratio = self.cfg["front_end"]["hop_ms"] / saved["config"]["front_end"]["hop_ms"]
            for name, value in saved["model"].items():
                if name.endswith(("dt_bias", "dt_proj.bias")) and ratio != 1:    # the same decay a second
                    value.copy_(softplus_inverse(nn.functional.softplus(value) * ratio))
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

    def enhance(self, noisy, network):
        front = self.model.front_end
        spectrum = front(noisy)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            parts = network(front.features(spectrum))
        mask = 1 + torch.view_as_complex(parts.unflatten(-1, (-1, 2)).contiguous())
        return front.inverse(spectrum * mask, noisy.shape[-1])

    def train_step(self, scale):
        if not self.mixed:
            sources = self.mixer.sources()
            pairs = [self.mixer.combine(*sources) for _ in range(self.args.pairings)]
            self.mixed = [x for p in pairs for x in zip(*(y.split(self.args.batch) for y in p))]
        noisy, clean = self.mixed.pop()
        loss, parts = self.loss(self.enhance(noisy, self.network), clean, noisy)
        loss.backward()
        flat = torch.cat([p.grad.flatten() for p in self.parameters])
        if self.world > 1:
            dist.all_reduce(flat)
            flat /= self.world
        norm = flat.norm()
        flat = torch.where(torch.isfinite(norm), flat * (2.0 / (norm + 1e-6)).clamp(max=1), torch.zeros_like(flat))
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
        return parts

    @torch.no_grad()
    def check(self):
        """Scores of the averaged weights on held-out audio."""
        kept = [p.detach().clone() for p in self.parameters]
        torch._foreach_copy_(self.parameters, self.average)
        noisy, clean = self.check_set
        estimate = self.enhance(noisy, self.model.network)
        _, parts = self.loss(estimate, clean, noisy)
        active = clean.square().mean(1) > 1e-8
        level = 0.1 / (noisy.square().mean(-1, keepdim=True).sqrt() + 1e-4)
        mos = self.loss.disturbance.mos(estimate * level, clean * level)[active]
        torch._foreach_copy_(self.parameters, kept)
        return {**{k: round(v.item(), 4) for k, v in parts.items()},
                "mos": round(mos.mean().item(), 3),
                "si_sdr": round(si_sdr_db(estimate, clean)[active].mean().item(), 2)}

    def run(self):
        os.makedirs(self.args.out, exist_ok=True)
        log = open(os.path.join(self.args.out, f"log{self.rank or ''}.jsonl"), "a", encoding="utf-8", buffering=1)
        begun, before, checked, totals, count = time.time(), self.elapsed, time.time(), {}, 0
        stop, lowest = torch.zeros(1, device=self.device), math.inf
        while True:
            progress = self.elapsed / (60 * self.args.minutes)
            for k, v in self.train_step(learning_rate(progress, self.step)).items():
                totals[k] = totals.get(k, 0) + v
            count += 1
            if self.step % 10 == 0:
                stop.fill_(before + time.time() - begun)
                if self.world > 1:
                    dist.broadcast(stop, 0)
                self.elapsed = stop.item()
            done = self.elapsed >= 60 * self.args.minutes
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
