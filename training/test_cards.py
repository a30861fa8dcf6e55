"""Checks that a score below a preset's card is found, and no other.

    python training/test_cards.py
"""
import os
import tempfile
from pathlib import Path

from cards import below_cards

CARD = """
| | noisy | this preset | peer |
|---|---|---|---|
| evalset, 2 mixtures: PESQ-WB / SI-SDR dB | 1.31 / 6.3 | 2.10 / 12.6 | 2.50 / 20 |
| DNSMOS OVRL | 1.96 | 2.68 | 3.00 |
| noise alone, attenuation dB | 0 | 27 | 44 |
| something else | | 99 | |
"""


def run(pesq, si_sdr_db, attenuation_db):
    """An entry of evaluate.py's JSON: two mixtures around these means, and noise; no DNSMOS."""
    items = [{"tags": ["mix"]}, {"tags": ["mix"]}, {"tags": ["noise"]}]
    scores = [{"pesq": pesq + d, "si_sdr_db": si_sdr_db + d} for d in (-1, 1)] + [{"attenuation_db": attenuation_db}]
    return [{"set": "evalset, seed 1", "items": items, "scores": {"mine": scores}}]


def check():
    assert not below_cards(run(2.10, 12.6, 27), ["mine"])
    assert not below_cards(run(2.095, 12.51, 26.1), ["mine"])
    for metric, entry in {"pesq": run(2.08, 12.6, 27), "si_sdr_db": run(2.2, 12.4, 27),
                          "attenuation_db": run(2.1, 13, 25.9)}.items():
        below = below_cards(entry, ["mine"])
        assert len(below) == 1 and metric in below[0], below


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mine.safetensors").touch()
        Path(folder, "mine.md").write_text(CARD, encoding="utf-8")
        os.environ["MAUDIO_PRESETS"] = folder
        check()
    print("good")
