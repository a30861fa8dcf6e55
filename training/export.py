"""Write a model file (docs/model-format.md) from a checkpoint of train.py or sample_train.py.

    python training/export.py RUN/checkpoint.pt [RUN2/checkpoint.pt ...] voice.safetensors [--dtype float16] [--mask-power 2.2]

Of several checkpoints of one network the mean of the weights is written.
"""
import argparse
import json

import torch
from safetensors.torch import save_file

# Matrices that may be stored in half precision; what scans and norms read stays float32
MATRICES = ("in_proj.weight", "out_proj.weight", "x_proj.weight", "fc1.weight", "fc2.weight",
            "band_in.weight", "band_out.weight", "filter_out.weight", "embedding.weight", "head.weight", "down.weight",
            "up.weight", "gate_proj.weight", "up_proj.weight", "down_proj.weight")
KEYS = ("format_version", "name", "task", "licence", "front_end", "d_model", "norm_eps", "blocks", "steer", "tiers",
        "training")


def export(path, cfg, state_dict, dtype="float32"):
    """Write `state_dict` of a Denoiser(cfg) or Generator(cfg) to `path`; `dtype` is that of the large matrices."""
    half = getattr(torch, dtype)
    tensors = {}
    for name, tensor in state_dict.items():
        kind = half if name.endswith(MATRICES) else torch.float32
        tensors[name] = tensor.detach().to("cpu", kind).contiguous()
        if not torch.isfinite(tensors[name]).all():
            raise ValueError(f"{name} is not finite as {kind}")
    text = json.dumps({key: cfg[key] for key in KEYS if key in cfg})
    save_file(tensors, path, metadata={"maudio": text})


def parser_of(doc, config):
    """For a command that makes a model file of another one: its `model`, `out` and `config`, of which the text tells."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", help="the trained model file")
    p.add_argument("out", help="the model file to write")
    p.add_argument("--config", required=True, help=f"JSON of the network that {config}")
    return p


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoints", nargs="+", metavar="checkpoint")
    p.add_argument("model", help="the file to write")
    p.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32", help="of large matrices")
    p.add_argument("--mask-power", type=float, help="that a denoiser has from now on, in place of the one it was trained with")
    args = p.parse_args()
    loaded = [torch.load(path, map_location="cpu", weights_only=True) for path in args.checkpoints]
    saved = loaded[-1]
    mean = {name: torch.stack([c["model"][name] for c in loaded]).mean(0) for name in saved["model"]}
    kept = ("batch", "seconds", "lr", "optimizer", "average", "pairings", "loss", "windows", "corner", "quiet", "samples",
            "jump", "seed")
    training = {"steps": [c["step"] for c in loaded], "minutes": [round(c["elapsed"] / 60, 1) for c in loaded],
                **{k: saved["args"][k] for k in kept if k in saved["args"]}}
    cfg = {**saved["config"], "training": training}
    if args.mask_power:
        cfg |= {"format_version": "1.4", "front_end": {**cfg["front_end"], "mask_power": args.mask_power}}
    export(args.model, cfg, mean, args.dtype)


if __name__ == "__main__":
    main()
