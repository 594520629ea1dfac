"""Train the sample models, write them and their data here, and bring the README up to date.

Run it from anywhere, in an environment of its own:

    python -m venv /tmp/train
    /tmp/train/bin/pip install -r sample_models/requirements.txt
    /tmp/train/bin/python sample_models/train.py

Seeds are fixed and the training runs on one thread, so one machine gives the same files again;
another processor may round otherwise and give slightly different weights.
"""

from __future__ import annotations

import argparse
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from export import export
from figures import measure, table
from networks import DigitsCnn, DigitsMobile, DigitsVit
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).resolve().parent
SEED = 20240
EVALUATION_IMAGES = 360
CALIBRATION_IMAGES = 128
BATCH = 64
MINIMUM_ACCURACY = 0.96


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is made."""

    name: str
    network: Callable[[], nn.Module]
    opset: int
    epochs: int
    learning_rate: float


RECIPES = (
    Recipe("digits_cnn", DigitsCnn, 17, epochs=60, learning_rate=4e-3),
    Recipe("digits_mobile", DigitsMobile, 17, epochs=80, learning_rate=4e-3),
    Recipe("digits_vit", DigitsVit, 20, epochs=120, learning_rate=2e-3),
)


@dataclass(frozen=True, slots=True)
class Split:
    """Images, float32 [n, 1, 8, 8] in 0..1, and their digits, int64 [n]."""

    image: NDArray[np.float32]
    label: NDArray[np.int64]


def load_splits() -> tuple[Split, Split]:
    """Divide the digits into training and evaluation images, each digit in proportion."""
    digits = load_digits()
    # The scans count the dark pixels of 4x4 cells: 0 to 16.
    image = (digits.images[:, np.newaxis] / 16).astype(np.float32)
    label = digits.target.astype(np.int64)
    parts = train_test_split(
        image, label, test_size=EVALUATION_IMAGES, stratify=label, random_state=SEED
    )
    return Split(parts[0], parts[2]), Split(parts[1], parts[3])


def save_data(training: Split, evaluation: Split) -> None:
    """Write the calibration images, a part of the training images, and the evaluation set."""
    calibration, _ = train_test_split(
        training.image,
        train_size=CALIBRATION_IMAGES,
        stratify=training.label,
        random_state=SEED,
    )
    np.savez_compressed(HERE / "digits_calibration.npz", image=calibration)
    np.savez_compressed(
        HERE / "digits_evaluation.npz", image=evaluation.image, label=evaluation.label
    )


def augment(image: Tensor) -> Tensor:
    """Turn, scale, and shift each image a little: [n, 1, 8, 8] to the same shape."""
    count = len(image)
    angle = (torch.rand(count) - 0.5) * math.radians(24)
    size = 1 + (torch.rand(count) - 0.5) * 0.2
    # In the units of affine_grid, where the image reaches from -1 to 1: up to 0.6 pixels.
    shift = (torch.rand(count, 2) - 0.5) * 0.3
    cosine, sine = size * angle.cos(), size * angle.sin()
    rows = (
        torch.stack((cosine, -sine, shift[:, 0]), dim=1),
        torch.stack((sine, cosine, shift[:, 1]), dim=1),
    )
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(image.shape), align_corners=False)
    return functional.grid_sample(image, grid, align_corners=False)


def train(recipe: Recipe, data: Split) -> nn.Module:
    """Train a network from scratch; it never sees the evaluation images."""
    torch.manual_seed(SEED)
    network = recipe.network()
    image, label = torch.from_numpy(data.image), torch.from_numpy(data.label)
    # Weight decay would pull BatchNorm scales, norms and biases towards zero: matrices only.
    matrices = [p for p in network.parameters() if p.ndim >= 2]
    others = [p for p in network.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    )
    steps = len(image) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * steps
    )
    network.train()
    for _ in range(recipe.epochs):
        order = torch.randperm(len(image))[: steps * BATCH]
        for chosen in order.split(BATCH):
            loss = functional.cross_entropy(
                network(augment(image[chosen])), label[chosen], label_smoothing=0.05
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def update_readme(text: str) -> None:
    """Put the figures between the README's two markers."""
    readme = HERE / "README.md"
    pattern = r"(<!-- figures: written by train.py -->\n).*(\n<!-- end of figures -->)"
    old = readme.read_text(encoding="utf-8")
    new, found = re.subn(pattern, lambda m: f"{m[1]}\n{text}\n{m[2]}", old, flags=re.DOTALL)
    if not found:
        raise SystemExit(f"{readme}: the markers for the figures are missing")
    readme.write_text(new, encoding="utf-8")


def main() -> None:
    """Train all models, or those named with --only, and measure what is in the folder then."""
    names = [recipe.name for recipe in RECIPES]
    parser = argparse.ArgumentParser(description="Train the sample models.")
    parser.add_argument("--only", action="append", choices=names, help="may be given repeatedly")
    wanted = parser.parse_args().only or names
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    training, evaluation = load_splits()
    save_data(training, evaluation)
    for recipe in RECIPES:
        if recipe.name in wanted:
            started = time.perf_counter()
            network = train(recipe, training)
            path = HERE / f"{recipe.name}.onnx"
            export(network, torch.from_numpy(evaluation.image[:2]), path, opset=recipe.opset)
            print(f"{path.name}: trained in {time.perf_counter() - started:.0f} s")

    rows = [measure(HERE / f"{name}.onnx", evaluation.image, evaluation.label) for name in names]
    print(table(rows))
    low = [row.name for row in rows if row.accuracy < MINIMUM_ACCURACY]
    if low:
        raise SystemExit(f"below {MINIMUM_ACCURACY:.0%} on the evaluation set: {', '.join(low)}")
    update_readme(table(rows))


if __name__ == "__main__":
    main()
