"""The figures of presets' cards, presets/NAME.md, beside those of a run of evaluate.py."""
import re

import numpy as np

from systems import Failure, preset_file

COLUMN = "this preset"
ROWS = {                        # first words of a row: set, tag of its items, metrics
    "evalset": ("evalset", "mix", ("pesq", "si_sdr_db")),
    "DNSMOS OVRL": ("evalset", "mix", ("ovrl",)),
    "71 pairs of VoiceBank+DEMAND": ("vbd", "mix", ("pesq", "si_sdr_db")),
    "clean in": ("evalset", "clean", ("pesq",)),
    "noise alone": ("evalset", "noise", ("attenuation_db",)),
}


def figures(card):
    """{label of a row: figures of the preset, as written} of a card's text."""
    found, column = {}, None
    for line in card.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if COLUMN in cells:
            column = cells.index(COLUMN)
        elif column is not None and len(cells) > column:
            found[cells[0]] = re.split(r"\s*/\s*", cells[column])
    return found


def mean(entry, name, tag, metric):
    """The mean of a metric over the items with a tag; None if it was not measured."""
    values = [score[metric] for item, score in zip(entry["items"], entry["scores"][name])
              if tag in item["tags"] and metric in score]
    return np.mean(values) if values else None


def below_card(entries, name):
    """A sentence for each score of a preset that is below its card by a unit of the last digit there, or more."""
    path = preset_file(name)
    card = path.with_suffix(".md") if path else None
    if not card or not card.exists():
        raise Failure(f"{name}: there is no card beside its model file")
    sentences = []
    for label, written in figures(card.read_text(encoding="utf-8")).items():
        for words, (title, tag, metrics) in ROWS.items():
            if not label.startswith(words):
                continue
            for entry in (e for e in entries if e["set"].startswith(title)):
                for metric, figure in zip(metrics, written, strict=True):
                    score = mean(entry, name, tag, metric)
                    unit = 10.0 ** -len(figure.partition(".")[2])
                    if score is not None and score <= float(figure) - unit:
                        sentences.append(f"{name}: {label}: {metric} is {score:.4g}, the card says {figure}")
    return sentences


def below_cards(entries, names):
    """A sentence for each score that is below its preset's card."""
    return [sentence for name in names for sentence in below_card(entries, name)]
