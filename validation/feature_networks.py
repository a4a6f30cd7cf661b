"""Train the feature networks of the FID on full simulation, and write them with their cards.

Usage: ``python validation/feature_networks.py [NAME ...]`` with names of detectors (zn, zp,
cylinder); a minute or two each on one core.

A network predicts kind, log energy and impact of the incident particle from its shower (for the
cylinder, whose particles are all alike but for their energy: log energy and the shares of the
layers). Only the train samples are read; a fifth of their particles is held out for the figures
on the card. They were looked at once to shorten the training: 57 passes over ZP's 1,200 showers
had spoilt its kinds. Same seed, same file.
"""

from __future__ import annotations

import hashlib
import sys
import time

import numpy as np
import safetensors.torch
import torch
from result_files import write_json
from torch import nn

from caloforge.data import ShowerSample, load_sample, split_rows
from caloforge.metrics.multivariate.feature_layers import Standardise
from caloforge.metrics.multivariate.feature_networks import N_FEATURES, _folder, trunk

SAMPLES = {"zn": "zn-train", "zp": "zp-train", "cylinder": "cylinder-train"}
VERSION = 1
SEED = 1
MAX_STEPS, PASSES, BATCH = 900, 20, 64


def targets(sample: ShowerSample) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Regression targets, class of each shower, and their names."""
    particles = sample.particles
    columns, names = [np.log(particles["energy_gev"])], ["log energy"]
    kinds, counts = np.unique(particles.kinds(), return_counts=True)
    frequent = kinds[counts >= 0.02 * len(particles)]
    label = (particles.kinds()[:, None] == frequent).argmax(axis=1)
    if sample.geometry.kind == "grid":
        columns += [particles["x_cm"], particles["y_cm"]]
        names += ["x", "y"]
    else:
        sums = sample.geometry.channels().sums(sample.showers)
        shares = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1e-9)
        groups = np.array_split(shares, 5, axis=1)
        columns += [group.sum(axis=1) for group in groups]
        names += [f"share of layers, part {k + 1} of 5" for k in range(5)]
    return np.stack(columns, axis=1), label, names, frequent.tolist()


def train(detector: str) -> None:
    started = time.process_time()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    sample = load_sample(SAMPLES[detector])
    split = split_rows(sample.particles, fraction=0.2, key="feature networks")
    showers = torch.from_numpy(sample.showers.astype(np.float32))
    values, label, names, kinds = targets(sample)
    centre, spread = values[split.train].mean(axis=0), values[split.train].std(axis=0)
    wanted = torch.from_numpy(((values - centre) / spread).astype(np.float32))
    classes = torch.from_numpy(label)
    lit = sample.showers[split.train]
    scale = 1.0 if sample.geometry.counts else float(np.median(lit[lit > 0]))
    body = trunk(sample.geometry, scale)
    steps = min(MAX_STEPS, PASSES * len(split.train) // BATCH)
    head = nn.Linear(N_FEATURES, len(names) + len(kinds))
    optimiser = torch.optim.AdamW([*body.parameters(), *head.parameters()], weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    rng = np.random.default_rng(SEED)
    for _ in range(steps):
        rows = rng.choice(split.train, BATCH)
        out = head(body(showers[rows]))
        loss = nn.functional.mse_loss(out[:, : len(names)], wanted[rows])
        if len(kinds) > 1:
            loss = loss + nn.functional.cross_entropy(out[:, len(names) :], classes[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()

    with torch.no_grad():
        features = torch.cat([body(showers[r]) for r in np.array_split(split.train, 20)])
        held = head(body(showers[split.validation]))
    network = Standardise(body, N_FEATURES)
    network.mean = features.mean(dim=0)
    network.spread = features.std(dim=0).clamp(min=1e-3)
    truth = wanted[split.validation]
    explained = 1 - (held[:, : len(names)] - truth).square().mean(0) / truth.var(0)
    validation = {
        f"R2 of {name}": round(value, 4)
        for name, value in zip(names, explained.tolist(), strict=True)
    }
    if len(kinds) > 1:
        right = held[:, len(names) :].argmax(dim=1) == classes[split.validation]
        validation["share of right kinds"] = round(right.float().mean().item(), 4)
        most = np.bincount(label[split.validation]).max() / len(split.validation)
        validation["share of the most frequent kind"] = round(float(most), 4)

    def particles(rows: np.ndarray) -> int:
        return int(np.unique(sample.particles.incident[rows]).size)

    path = _folder() / f"{detector}-v{VERSION}.safetensors"
    tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
    content = safetensors.torch.save(tensors)
    path.write_bytes(content)
    card = {
        "name": path.stem,
        "version": VERSION,
        "what": "feature network for the FID: the 32 units before the last layer, standardised",
        "data": f"{SAMPLES[detector]} (full simulation)",
        "predicts": [*names, *(["kind: " + ", ".join(kinds)] if len(kinds) > 1 else [])],
        "validation": validation,
        "training_particles": particles(split.train),
        "validation_particles": particles(split.validation),
        "seed": SEED,
        "steps": steps,
        "batch": BATCH,
        "made_by": "validation/feature_networks.py",
        "made_with": f"torch {torch.__version__}",
        "parameters": sum(p.numel() for p in body.parameters()),
        "scale": scale,
        "sha256": hashlib.sha256(content).hexdigest(),
        "geometry": sample.geometry.as_dict(),
    }
    write_json(path.with_suffix(".json"), card)
    seconds = time.process_time() - started
    size = len(content) / 1e3
    print(f"{path.name}: {size:.0f} kB, {seconds:.0f} s, {validation}", flush=True)


def main() -> None:
    for detector in sys.argv[1:] or SAMPLES:
        train(detector)


if __name__ == "__main__":
    main()
