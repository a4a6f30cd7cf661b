"""The trainings of the study of the e2e Sinkhorn autoencoder: one change at a time.

Every e2e SAE has the networks and cells of ``zn-e2e-sae``. *Paper's loss*: reconstruction and
Sinkhorn divergence alone, with its published weight. Blur 0.05 is epsilon 0.005 here.
"""

from __future__ import annotations

E2E, VAE, DCGAN = "zn-e2e-sae", "zn-vae", "zn-dcgan"
COMMON = (
    "train.steps=1000",
    "train.threads=1",
    "train.ema=0.995",
    "train.validation_repeats=2",
)
SPARSE, DENSE = "train.validate_every=250", "train.validate_every=50"
PAPER = ("model.energy_weight=0", "model.region_weight=0", "model.sinkhorn_weight=10")
BLUR = "model.epsilon=0.005"
# Codes as published: not normalised, no noise, encoder and decoder without the condition.
BARE = ("model.codes=relu", "model.conditioned=false", "model.code_noise=0")
SEEDS = (0, 1, 2)
WEIGHTS = (0, 0.003, 0.03, 0.3, 3)
SIZES = (2, 4, 6, 12, 20)
PUBLISHED, OURS = 1, 0.03


def _runs() -> dict[str, tuple[str, ...]]:
    runs: dict[str, tuple[str, ...]] = {"e2e-0": (E2E, DENSE)}
    for weight in (PUBLISHED, OURS):
        for name, iterations in (("2", 2), ("converged", 0)):
            runs[f"paper-cw{weight}-{name}"] = (
                E2E, *PAPER, BLUR, f"model.condition_weight={weight}",
                f"model.sinkhorn_iterations={iterations}", SPARSE,
            )  # fmt: skip
        runs[f"bare-cw{weight}"] = (
            E2E, *PAPER, *BARE, BLUR, f"model.condition_weight={weight}",
            "model.sinkhorn_iterations=2", SPARSE,
        )  # fmt: skip
    for weight in WEIGHTS:
        runs[f"weight-{weight}"] = (E2E, *PAPER, f"model.condition_weight={weight}", SPARSE)
    for size in SIZES:
        if size != 6:  # that is e2e-0
            runs[f"latent-{size}"] = (E2E, f"model.latent_dim={size}", SPARSE)
    for weight in (PUBLISHED, OURS):
        for name, iterations in (("2", 2), ("converged", 0)):
            runs[f"tuned-cw{weight}-{name}"] = (
                E2E, BLUR, f"model.condition_weight={weight}",
                f"model.sinkhorn_iterations={iterations}", SPARSE,
            )  # fmt: skip
    for seed in SEEDS[1:]:
        runs[f"e2e-{seed}"] = (E2E, DENSE, f"seed={seed}")
    for seed in SEEDS:
        runs[f"vae-{seed}"] = (VAE, DENSE, f"seed={seed}")
    for seed in SEEDS:
        runs[f"dcgan-{seed}"] = (DCGAN, DENSE, f"seed={seed}")
    return runs


RUNS = _runs()
# Tries at a better model: name, label, settings; rings of the region score where they change.
FINE_RINGS = (1, 4, 8, 14)
TRIES = {
    "try-noise": ("noise on codes 0.1 instead of 0.3", (E2E, DENSE, "model.code_noise=0.1")),
    "try-rings": (
        "outer ring of the region score (5 cells and more) split in three",
        (E2E, DENSE),
    ),
}
RINGS = {"try-rings": FINE_RINGS}
RUNS |= {name: settings for name, (_, settings) in TRIES.items()}
