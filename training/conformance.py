"""Compare maudio with Hugging Face transformers on random models of every type and of many shapes.

    python conformance.py build/cli/maudio                          # the shapes below, and some of random sizes
    python conformance.py build/cli/maudio --random 100 --seed 7
    python conformance.py --write ../tests/conformance              # the small ones, for the C tests

Needs PyTorch, safetensors and transformers 5.17. Every logit has to agree within 2e-4.
"""
import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

LIMIT = 2e-4
FEW = dict(vocab_size=40)
SHAPES = {                                      # name: (type, configuration); "small_" ones are for the C tests
    "small_mamba": ("mamba", dict(FEW, hidden_size=20, state_size=5, num_hidden_layers=2, expand=3, conv_kernel=3,
                                  time_step_rank="auto", use_bias=True, use_conv_bias=False,
                                  tie_word_embeddings=False)),
    "small_mamba2": ("mamba2", dict(FEW, hidden_size=24, state_size=6, num_hidden_layers=2, num_heads=6, head_dim=8,
                                    n_groups=3, conv_kernel=3, use_bias=True, use_conv_bias=False, chunk_size=16,
                                    time_step_limit=(0.02, 0.09), tie_word_embeddings=True)),
    "small_jamba": ("jamba", dict(FEW, hidden_size=24, intermediate_size=20, num_hidden_layers=4,
                                  num_attention_heads=3, num_key_value_heads=1, attn_layer_period=3,
                                  attn_layer_offset=1, expert_layer_period=3, expert_layer_offset=0, num_experts=5,
                                  num_experts_per_tok=3, mamba_d_state=7, mamba_d_conv=2, mamba_dt_rank="auto",
                                  mamba_conv_bias=False, mamba_proj_bias=True, tie_word_embeddings=True)),
    "small_bamba": ("bamba", dict(FEW, hidden_size=24, intermediate_size=36, num_hidden_layers=3,
                                  num_attention_heads=6, num_key_value_heads=3, attn_layer_indices=[0, 2],
                                  mamba_n_heads=4, mamba_d_head=12, mamba_n_groups=2, mamba_d_state=5,
                                  mamba_d_conv=4, mamba_chunk_size=16, mamba_proj_bias=True, mamba_conv_bias=False,
                                  attention_bias=True, mlp_bias=True, time_step_limit=[0.001, 0.08],
                                  rope_parameters={"rope_type": "default", "rope_theta": 500.0,
                                                   "partial_rotary_factor": 1.0})),
    "small_nemotron_h": ("nemotron_h", dict(FEW, hidden_size=24, intermediate_size=36, num_attention_heads=4,
                                            num_key_value_heads=1, head_dim=10, mamba_num_heads=6,
                                            mamba_head_dim=6, n_groups=3, ssm_state_size=9, conv_kernel=4,
                                            use_bias=True, mlp_bias=True, use_conv_bias=False, chunk_size=16,
                                            time_step_min=0.03, sliding_window=8,
                                            layers_block_type=["full_attention", "linear_attention", "mlp"])),
    "mamba_narrow": ("mamba", dict(FEW, hidden_size=7, state_size=3, num_hidden_layers=3, expand=1, conv_kernel=4)),
    "mamba_wide": ("mamba", dict(vocab_size=1003, hidden_size=136, state_size=16, num_hidden_layers=4)),
    "mamba2_one_head": ("mamba2", dict(FEW, hidden_size=10, state_size=4, num_hidden_layers=2, num_heads=1,
                                       head_dim=20, n_groups=1, chunk_size=8)),
    "mamba2_groups": ("mamba2", dict(vocab_size=259, hidden_size=64, state_size=32, num_hidden_layers=3,
                                     num_heads=8, head_dim=16, n_groups=8, chunk_size=32)),
    "mamba2_odd_heads": ("mamba2", dict(FEW, hidden_size=35, state_size=11, num_hidden_layers=2, num_heads=10,
                                        head_dim=7, n_groups=5, chunk_size=32)),
    "jamba_one_expert": ("jamba", dict(FEW, hidden_size=16, intermediate_size=24, num_hidden_layers=3,
                                       num_attention_heads=2, num_key_value_heads=2, attn_layer_period=2,
                                       attn_layer_offset=0, num_experts=1)),
    "jamba_16_experts": ("jamba", dict(vocab_size=300, hidden_size=40, intermediate_size=50, num_hidden_layers=5,
                                       num_attention_heads=5, num_key_value_heads=5, attn_layer_period=5,
                                       attn_layer_offset=4, expert_layer_period=1, expert_layer_offset=0,
                                       num_experts=16, num_experts_per_tok=1)),
    "jamba_all_attention": ("jamba", dict(FEW, hidden_size=32, intermediate_size=30, num_hidden_layers=2,
                                          num_attention_heads=8, num_key_value_heads=2, attn_layer_period=1,
                                          attn_layer_offset=0)),
    "bamba_no_attention": ("bamba", dict(FEW, hidden_size=32, intermediate_size=40, num_hidden_layers=2,
                                         num_attention_heads=4, num_key_value_heads=4, mamba_n_heads=4,
                                         mamba_d_head="auto", mamba_d_state=8, attn_layer_indices=None)),
    "bamba_linear_rope": ("bamba", dict(FEW, hidden_size=32, intermediate_size=40, num_hidden_layers=2,
                                        num_attention_heads=2, num_key_value_heads=1, mamba_n_heads=8,
                                        mamba_d_head=8, mamba_d_state=8, attn_layer_indices=[1],
                                        rope_parameters={"rope_type": "linear", "factor": 4.0,
                                                         "rope_theta": 10000.0})),
    "small_nemotron_h_moe": ("nemotron_h", dict(FEW, hidden_size=20, num_attention_heads=2, num_key_value_heads=1,
                                                head_dim=8, mamba_num_heads=2, mamba_head_dim=8, n_groups=1,
                                                ssm_state_size=8, n_routed_experts=6, num_experts_per_tok=3,
                                                moe_intermediate_size=12, n_group=3, topk_group=2, mlp_bias=True,
                                                moe_shared_expert_intermediate_size=18, moe_latent_size=9,
                                                routed_scaling_factor=2.5,
                                                layers_block_type=["moe", "linear_attention", "moe"])),
    "nemotron_silu": ("nemotron_h", dict(FEW, hidden_size=32, intermediate_size=40, num_attention_heads=2,
                                         num_key_value_heads=2, head_dim=24, mamba_num_heads=4, mamba_head_dim=20,
                                         n_groups=2, ssm_state_size=16, mlp_hidden_act="silu",
                                         layers_block_type=["mlp", "linear_attention", "full_attention"])),
}


def random_shape(rng):
    """A shape of any type, of random sizes."""
    kind = rng.choice(["mamba", "mamba2", "jamba", "bamba", "nemotron_h"])
    flip = lambda: rng.random() < 0.5                                               # noqa: E731
    groups, per_group, kv, queries = (rng.randint(1, 4) for _ in range(4))
    heads, width = groups * per_group, rng.randint(1, 24)
    n_layers = rng.randint(1, 4)
    cfg = dict(vocab_size=rng.randint(2, 400), num_hidden_layers=n_layers, tie_word_embeddings=flip(),
               initializer_range=rng.choice([0.02, 0.1, 0.3]))
    # bamba and mamba2: the channels of the heads are a whole multiple of the width
    expand = rng.choice([e for e in (1, 2, 3, 4) if heads * width % e == 0])
    attention = dict(num_attention_heads=kv * queries, num_key_value_heads=kv)
    if kind == "mamba":
        cfg.update(hidden_size=rng.randint(1, 70), state_size=rng.randint(1, 20), expand=rng.randint(1, 3),
                   conv_kernel=rng.randint(2, 5), time_step_rank=rng.choice(["auto", rng.randint(1, 9)]),
                   use_bias=flip(), use_conv_bias=flip())
    elif kind == "mamba2":
        cfg.update(hidden_size=heads * width // expand, expand=expand, state_size=rng.randint(1, 20),
                   num_heads=heads, head_dim=width, n_groups=groups, conv_kernel=rng.randint(2, 5),
                   use_bias=flip(), use_conv_bias=flip(), chunk_size=rng.choice([8, 32, 100]),
                   time_step_limit=rng.choice([(0.0, math.inf), (0.01, 0.1), (0.0, 0.03), (0.05, math.inf)]))
    elif kind == "jamba":
        period, beat = rng.randint(1, 3), rng.randint(1, 3)
        experts = rng.randint(1, 9)
        cfg.update(attention, hidden_size=kv * queries * rng.randint(1, 12), intermediate_size=rng.randint(1, 60),
                   attn_layer_period=period, attn_layer_offset=rng.randrange(period), expert_layer_period=beat,
                   expert_layer_offset=rng.randrange(beat), num_experts=experts,
                   num_experts_per_tok=rng.randint(1, experts), mamba_d_state=rng.randint(1, 20),
                   mamba_d_conv=rng.randint(2, 5), mamba_expand=rng.randint(1, 3),
                   mamba_dt_rank=rng.choice(["auto", rng.randint(1, 9)]), mamba_conv_bias=flip(),
                   mamba_proj_bias=flip())
    elif kind == "bamba":
        width = 4 * rng.randint(1, 6)                       # of attention: half of it is rotated, in pairs
        hidden = kv * queries * width
        heads = rng.choice([n for n in range(1, 2 * hidden + 1) if 2 * hidden % n == 0 and n <= 16])
        groups = rng.choice([n for n in range(1, heads + 1) if heads % n == 0])
        cfg.update(attention, hidden_size=hidden, intermediate_size=rng.randint(1, 60), mamba_n_heads=heads,
                   mamba_d_head=rng.choice(["auto", 2 * hidden // heads]), mamba_n_groups=groups,
                   mamba_d_state=rng.randint(1, 20), mamba_d_conv=rng.randint(2, 5), mamba_conv_bias=flip(),
                   mamba_proj_bias=flip(), mamba_chunk_size=rng.choice([8, 32]), attention_bias=flip(),
                   mlp_bias=flip(), attn_layer_indices=[i for i in range(n_layers) if flip()],
                   time_step_limit=rng.choice([(0.0, math.inf), (0.01, 0.1)]),
                   rope_parameters={"rope_type": "default", "rope_theta": rng.choice([100.0, 10000.0]),
                                    "partial_rotary_factor": rng.choice([0.5, 1.0])})
    else:
        del cfg["num_hidden_layers"]
        kinds = ["linear_attention", "full_attention", "mlp", "moe"]
        n_group, per = rng.randint(1, 3), rng.randint(2, 4)
        topk = rng.randint(1, n_group)
        cfg.update(attention, hidden_size=rng.randint(1, 70), head_dim=rng.randint(1, 20),
                   intermediate_size=rng.randint(1, 60), mamba_num_heads=heads, mamba_head_dim=width,
                   n_groups=groups, ssm_state_size=rng.randint(1, 20), conv_kernel=rng.randint(2, 5),
                   use_bias=flip(), mlp_bias=flip(), use_conv_bias=flip(), chunk_size=rng.choice([8, 32]),
                   mlp_hidden_act=rng.choice(["relu2", "silu"]), time_step_min=rng.choice([1e-4, 0.001, 0.05]),
                   layers_block_type=[rng.choice(kinds) for _ in range(rng.randint(1, 6))],
                   n_routed_experts=n_group * per, n_group=n_group, topk_group=topk,
                   num_experts_per_tok=rng.randint(1, topk * per), norm_topk_prob=flip(),
                   routed_scaling_factor=rng.choice([1.0, 2.5]), moe_intermediate_size=rng.randint(2, 40),
                   moe_shared_expert_intermediate_size=rng.randint(1, 40),
                   moe_latent_size=rng.choice([None, rng.randint(2, 30)]))
    return kind, cfg


def make(kind, cfg):
    """A model of random weights, none of which is a constant."""
    config = AutoConfig.for_model(kind, **cfg)
    config._experts_implementation = "eager"                # the grouped one takes multiples of 16 bytes alone
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("dt_bias") or name.endswith("dt_proj.bias"):
                p.uniform_(-5, -1)
            elif name.endswith("A_log"):
                p.add_(0.3 * torch.randn_like(p))
            elif p.dim() == 1:
                p.add_(0.3 * torch.randn_like(p))
            elif p.dim() == 2 or "experts" in name:
                p.copy_(torch.randn_like(p) / math.sqrt(p.shape[-1]))
        for name, b in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                b.copy_(0.2 * torch.randn_like(b))
    return model


@torch.no_grad()
def write(folder, kind, cfg, n_steps):
    """Save a model as its users would, and what it makes of some tokens; ids are floats, as all that maudio reads."""
    model = make(kind, cfg)
    ids = torch.randint(0, cfg["vocab_size"], (1, n_steps))
    logits = model(input_ids=ids, use_cache=False).logits[0].float()
    model.save_pretrained(folder)
    generation = os.path.join(folder, "generation_config.json")
    if os.path.exists(generation):
        os.remove(generation)
    save_file({"ids": ids[0].float(), "logits": logits.contiguous()}, os.path.join(folder, "expected.safetensors"))
    return ids[0], logits


def compare(command, folder, ids, logits):
    """The greatest difference of a logit, fed in chunks of several lengths that have to agree to the last bit."""
    lines = "".join(f"{i}\n" for i in ids.tolist())
    first = None
    for chunk in (1, 7, 64):
        result = subprocess.run([command, "logits", f"--chunk={chunk}", folder, "-", "-"], input=lines.encode(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if result.returncode:
            raise RuntimeError(result.stderr.decode().strip())
        if first is not None and first != result.stdout:
            raise RuntimeError(f"chunks of {chunk} give other bits")
        first = result.stdout
    found = torch.frombuffer(bytearray(first), dtype=torch.float32).view_as(logits)
    return (found - logits).abs().max().item()


def main():
    parser = argparse.ArgumentParser(description="Compare maudio with transformers on random models.")
    parser.add_argument("command", nargs="?", help="the command maudio")
    parser.add_argument("--write", metavar="FOLDER", help="write the small shapes for the C tests, compare nothing")
    parser.add_argument("--random", type=int, default=25, help="how many shapes of random sizes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=96)
    options = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(options.seed)
    if options.write:
        for name, (kind, cfg) in SHAPES.items():
            if name.startswith("small_"):
                write(os.path.join(options.write, name), kind, cfg, 40)
        return 0
    if not options.command:
        parser.error("which maudio?")

    rng = random.Random(options.seed)
    shapes = list(SHAPES.items()) + [(f"random_{i}", random_shape(rng)) for i in range(options.random)]
    n_failed = 0
    for name, (kind, cfg) in shapes:
        with tempfile.TemporaryDirectory() as folder:
            try:
                ids, logits = write(folder, kind, cfg, options.steps)
            except Exception as problem:                                            # transformers refuses the shape
                print(f"{name:20} {kind:10} not possible: {str(problem).splitlines()[0][:60]}")
                continue
            try:
                worst = compare(options.command, folder, ids, logits)
                verdict = "" if worst <= LIMIT else "  FAILED"
                print(f"{name:20} {kind:10} max difference {worst:.1e}, deviation {logits.std():.2f}{verdict}")
            except RuntimeError as problem:
                verdict = "FAILED"
                print(f"{name:20} {kind:10} FAILED: {problem}\n{json.dumps(cfg)}")
            n_failed += bool(verdict)
    print(f"{n_failed} of {len(shapes)} failed" if n_failed else f"all of {len(shapes)} agree")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
