"""Train the feature network of the digits (mnist-v1), and write it with its card.

Usage: ``python validation/digit_network.py ../shared/mnist``, the folder with MNIST's four idx
files; two minutes on one core.

It is LeNet with ReLU and maximum pools, its features the 84 units before the last layer. Only
the 60,000 training digits are learned from; the 10,000 test digits are read once, after the
last step, for the accuracy on the card. How long to train was chosen on 5,000 training digits
kept aside (8 passes: 99.2 %, 4 passes: 98.9 %); the final network learns from them, too.
Pictures of a batch are shifted by up to two pixels, so that the network does not know its
training digits much better than others: the floor of the FID compares training with test
digits. Same seed, same file on the same machine.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from result_files import write_json
from torch import nn

from caloforge.metrics.multivariate.feature_layers import Standardise
from caloforge.metrics.multivariate.feature_networks import N_PICTURE_FEATURES, _folder, trunk

NAME, VERSION = "mnist", 1
SEED = 1
PASSES, BATCH, SHIFT = 8, 128, 2


def learn(
    body: nn.Module, head: nn.Module, pictures: torch.Tensor, labels: torch.Tensor, grid
) -> int:
    """Train body and head to read digits; returns the number of steps."""
    rng = np.random.default_rng(SEED)
    steps = PASSES * len(pictures) // BATCH
    parameters = [*body.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    order = np.concatenate([rng.permutation(len(pictures)) for _ in range(PASSES)])
    for step in range(steps):
        rows = order[step * BATCH : (step + 1) * BATCH]
        shift = rng.integers(-SHIFT, SHIFT + 1, 2).tolist()
        # The margin of a digit is empty: what leaves on one side comes back as nothing.
        shown = torch.roll(pictures[rows].float().view(-1, *grid), shift, (1, 2)).flatten(1)
        loss = nn.functional.cross_entropy(head(body(shown)), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return steps


def main() -> None:
    """Train, test once, write."""
    import tempfile

    from image_samples import digits

    started = time.process_time()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    with tempfile.TemporaryDirectory() as folder:
        training, test = digits(Path(sys.argv[1]), Path(folder))
    geometry = training.geometry
    scale = float(geometry.maximum)
    body, head = trunk(geometry, scale), nn.Linear(N_PICTURE_FEATURES, 10)
    pictures = torch.from_numpy(training.showers.astype(np.uint8))
    labels = torch.from_numpy(training.particles["label"].astype(np.int64))
    steps = learn(body, head, pictures, labels, geometry.layout.cells)

    network = Standardise(body, N_PICTURE_FEATURES).eval()
    with torch.no_grad():
        features = torch.cat([body(part.float()) for part in pictures.split(1000)])
        network.mean = features.mean(dim=0)
        network.spread = features.std(dim=0).clamp(min=1e-3)
        # The last layer reads standardised features.
        bias = head.bias + head.weight @ network.mean
        weight = head.weight * network.spread
        seen = torch.from_numpy(test.showers.astype(np.float32))
        read = (network(seen) @ weight.T + bias).argmax(dim=1).numpy()
    right = float((read == test.particles["label"]).mean())
    error = (right * (1 - right) / len(test)) ** 0.5

    tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
    tensors |= {"head.weight": weight.contiguous(), "head.bias": bias.contiguous()}
    content = safetensors.torch.save(tensors)
    path = _folder() / f"{NAME}-v{VERSION}.safetensors"
    path.write_bytes(content)
    card = {
        "name": path.stem,
        "version": VERSION,
        "what": (
            f"feature network for the FID: the {N_PICTURE_FEATURES} units before the last "
            "layer, standardised"
        ),
        "data": "the 60,000 training digits of MNIST",
        "predicts": ["digit: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"],
        "validation": {
            "accuracy on the 10,000 test digits": right,
            "its standard error": round(error, 5),
        },
        "training_particles": len(training),
        "validation_particles": len(test),
        "seed": SEED,
        "steps": steps,
        "batch": BATCH,
        "made_by": "validation/digit_network.py",
        "made_with": f"torch {torch.__version__}",
        "parameters": sum(p.numel() for p in [*body.parameters(), *head.parameters()]),
        "scale": scale,
        "sha256": hashlib.sha256(content).hexdigest(),
        "geometry": geometry.as_dict(),
    }
    write_json(path.with_suffix(".json"), card)
    seconds = time.process_time() - started
    print(f"{path.name}: {len(content) / 1e3:.0f} kB, {seconds:.0f} s, {card['validation']}")


if __name__ == "__main__":
    main()
