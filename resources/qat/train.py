"""@TITLE@.

    pip install torch onnx numpy
    python @SCRIPT@ --data train.npz --validation test.npz

It starts from @START@ beside it: the float weights, with the scales of the recipe between
QuantizeLinear and DequantizeLinear. While it trains, values are rounded to their grids, and
gradients go straight through the rounding (Bengio, Leonard and Courville 2013, arXiv:1308.3432).
Scales are learned too (LSQ: Esser et al. 2020, arXiv:1902.08153; by their logarithm: Jain et al.
2019, arXiv:1903.08066). What it writes is the same graph with codes for weights.

@LAYERS@
"""

import argparse
import copy
import json
import math
from pathlib import Path

import numpy as np
import onnx
import torch
from export import NOTES, export
from network import Network
from torch.nn import functional

START = Path(__file__).resolve().with_name("@START@")

# Your part: the data, the loss, how long ----------------------------------------------------------

EPOCHS = 20
BATCH = 32
RATE = 3e-3
"""Learning rate of Adam; weights are learned in units of their own size."""
LABELS = ("label", "labels", "target", "targets")


def load_data(path, inputs):
    """Read samples. Replace this by what reads yours.

    Args:
        path: an .npz file with an array for each input and, for classes, `label`; or a folder of
            .npy files named so. Arrays hold one sample after the other.
        inputs: names of the model's inputs.

    Returns:
        Arrays by input, and the labels: an array of class numbers, or None.
    """
    path = Path(path)
    if path.is_dir():
        arrays = {file.stem: np.load(file) for file in sorted(path.glob("*.npy"))}
    else:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
    labels = next((arrays.pop(name) for name in LABELS if name in arrays), None)
    if len(inputs) == len(arrays) == 1:
        arrays = {inputs[0]: next(iter(arrays.values()))}
    for name in inputs:
        if name not in arrays:
            raise SystemExit(f"{path} has no array {name!r}, but {', '.join(arrays) or 'none'}.")
    found = {name: arrays[name] for name in inputs}
    counts = {len(one) for one in (*found.values(), *(() if labels is None else (labels,)))}
    if len(counts) != 1 or 0 in counts:
        raise SystemExit(f"{path}: all arrays need as many samples, one at least, not {counts}.")
    return found, labels


def loss_of(outputs, expected, labels, classes):
    """What training makes small.

    Args:
        outputs: of the quantized model, by name.
        expected: of the float model as it was before training, by name.
        labels: of the samples; None where there are none.
        classes: reads (samples, classes) logits from outputs; None where outputs are no classes.
    """
    if classes is not None and labels is not None:
        return functional.cross_entropy(classes(outputs), labels)
    if classes is not None:  # the float model teaches (Hinton, Vinyals and Dean 2015)
        return functional.cross_entropy(classes(outputs), classes(expected).softmax(-1))
    errors = [
        (outputs[name] - wanted).square().mean() / wanted.square().mean().clamp_min(1e-12)
        for name, wanted in expected.items()
        if wanted.is_floating_point()
    ]
    return sum(errors)


# The model, and its way back to ONNX --------------------------------------------------------------

# PARTS

# Training -----------------------------------------------------------------------------------------


def batches(data, size, order):
    """Some samples at a time, as tensors: inputs by name, and labels."""
    arrays, labels = data
    for chosen in order.split(size):
        feeds = {n: torch.from_numpy(np.ascontiguousarray(a[chosen])) for n, a in arrays.items()}
        yield feeds, None if labels is None else torch.from_numpy(labels[chosen]).long().reshape(-1)


def count(data):
    """How many samples there are."""
    return len(next(iter(data[0].values())))


def class_reader(notes):
    """What reads logits from the outputs; None where they are no classes."""
    name = notes["classes"]

    def logits(outputs):
        found = outputs[name].flatten(0, -2)
        return found.clamp_min(1e-12).log() if notes["probabilities"] else found

    return None if name is None else logits


@torch.no_grad()
def judge(network, teacher, data, size):
    """How good the quantized model is, in words."""
    classes = class_reader(network.notes)
    right = same = seen = 0
    signal = noise = 0.0
    for feeds, labels in batches(data, size, torch.arange(count(data))):
        outputs, expected = network(feeds), teacher(feeds, quantized=False)
        for name, wanted in expected.items():
            if wanted.is_floating_point():
                signal += wanted.double().square().sum().item()
                noise += (outputs[name].double() - wanted.double()).square().sum().item()
        if classes is not None:
            found = classes(outputs).argmax(1)
            seen += len(found)
            same += (found == classes(expected).argmax(1)).sum().item()
            right += 0 if labels is None else (found.cpu() == labels).sum().item()
    words = [f"SQNR {10 * math.log10(signal / noise):.1f} dB" if signal and noise else "no noise"]
    if classes is not None:
        words.append(f"agreement with float {100 * same / seen:.2f} %")
        words += [] if data[1] is None else [f"accuracy {100 * right / seen:.2f} %"]
    return ", ".join(words)


def train(network, teacher, data, validation, options, size):
    """Adam, its rate falling along a cosine; a step for each batch, of `size` samples at a time."""
    classes = class_reader(network.notes)
    parts = max(options.batch // size, 1)
    optimizer = torch.optim.Adam(
        [one for one in network.parameters() if one.requires_grad], lr=options.rate
    )
    steps = options.epochs * max(count(data) // (size * parts), 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    for epoch in range(options.epochs):
        total, turns = 0.0, 0
        for feeds, labels in batches(data, size, torch.randperm(count(data))):
            with torch.no_grad():
                expected = teacher(feeds, quantized=False)
            known = None if options.loss == "teacher" or labels is None else labels
            known = None if known is None else known.to(network.device)
            loss = loss_of(network(feeds), expected, known, classes)
            if not torch.isfinite(loss):
                raise SystemExit("The loss is no number any more: try a smaller --rate.")
            (loss / parts).backward()
            total, turns = total + loss.item(), turns + 1
            if turns % parts == 0 or turns * size >= count(data):
                optimizer.step()
                optimizer.zero_grad()
                if schedule.last_epoch < steps:
                    schedule.step()
        found = judge(network, teacher, validation, size)
        print(
            f"epoch {epoch + 1} of {options.epochs}: loss {total / turns:.4g}, {found}", flush=True
        )


def divided(data):
    """The samples to train on, and a tenth of them to judge by."""
    arrays, labels = data
    chosen = np.arange(count(data)) % 10 == 5
    if count(data) < 10:
        return data, data

    def part(some):
        return {n: a[some] for n, a in arrays.items()}, None if labels is None else labels[some]

    return part(~chosen), part(chosen)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", required=True, help="samples to train on: .npz, or a folder of .npy")
    add("--validation", help="samples to judge by; else a tenth of the others is held back")
    add("--output", default="@TRAINED@", help="the model to write (%(default)s)")
    add("--epochs", type=int, default=EPOCHS, help="how often all samples are seen (%(default)s)")
    add("--batch", type=int, default=BATCH, help="samples of a step (%(default)s)")
    add("--rate", "--lr", type=float, default=RATE, help="learning rate (%(default)s)")
    add("--scales", choices=("learned", "fixed"), default="learned", help="(%(default)s)")
    add(
        "--loss",
        choices=("labels", "teacher"),
        help="learn labels, or the float model's outputs; labels where there are any",
    )
    add("--device", default="cpu", help="cpu, cuda, ... (%(default)s)")
    add("--threads", type=int, default=0, help="of the processor; 0 lets PyTorch choose")
    add("--seed", type=int, default=0, help="(%(default)s)")
    return parser.parse_args()


def main():
    """Train, say what it brought, and write the model."""
    options = arguments()
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    proto = onnx.load(START)
    notes = json.loads(next(one.value for one in proto.metadata_props if one.key == NOTES))
    network = Network(proto, notes, options.device, options.scales == "learned")
    teacher = copy.deepcopy(network).requires_grad_(False)
    data = load_data(options.data, network.inputs)
    if options.loss == "labels" and data[1] is None:
        raise SystemExit(f"{options.data} holds no labels.")
    if options.validation:
        validation = load_data(options.validation, network.inputs)
    else:
        data, validation = divided(data)
    size = min(notes["batch"] or options.batch, options.batch)
    print(f"before: {judge(network, teacher, validation, size)}", flush=True)
    train(network, teacher, data, validation, options, size)
    print(f"after: {judge(network, teacher, validation, size)}", flush=True)
    export(proto, network, options.output)
    print(f"saved {options.output}")


if __name__ == "__main__":
    main()
