"""Models with real data: what each one is fed to calibrate it, and other data to judge it by.

The samples of this project come with both. A larger set of public models is looked for in the
folder that QUANT_INSPECTOR_MODELS names; each is fed as its authors feed it. Data comes in pairs
that share no picture, sentence or second of sound.
"""

from __future__ import annotations

import os
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Feeds = dict[str, NDArray[Any]]
Pair = tuple[list[Feeds], list[Feeds]]

SAMPLES = Path(__file__).resolve().parents[2] / "sample_models"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True, slots=True)
class Case:
    """One model with its data.

    Attributes:
        name: what tables call it.
        model: its file.
        read: gives (calibration, evaluation) samples of a fold.
        folds: 2 where the halves of scarce data take turns, so that chance has less of a say.
    """

    name: str
    model: Path
    read: Callable[[int], Pair]
    folds: int = 1


def all_cases() -> list[Case]:
    """The samples, and whatever of the larger set is there."""
    cases = [
        Case(f"sample {name}", SAMPLES / f"{name}.onnx", lambda fold: _sample_digits())
        for name in ("digits_cnn", "digits_mobile", "digits_vit")
    ]
    folder = os.environ.get("QUANT_INSPECTOR_MODELS", "")
    if folder:
        cases.extend(_shared_cases(Path(folder)))
    return [case for case in cases if case.model.exists()]


def _sample_digits() -> Pair:
    return (
        _rows(SAMPLES / "digits_calibration.npz", "image", 128),
        _rows(SAMPLES / "digits_evaluation.npz", "image", 360),
    )


def _shared_cases(folder: Path) -> list[Case]:
    inputs = folder / "inputs"

    def case(name: str, read: Callable[[Path], Pair]) -> Case:
        return Case(name, folder / "float" / f"{name}.onnx", lambda fold: read(inputs))

    def photographs(name: str, input_name: str, **options: Any) -> Case:
        def read(fold: int) -> Pair:
            return _photographs(inputs, fold, input_name, **options)

        return Case(name, folder / "float" / f"{name}.onnx", read, folds=2)

    plain = {"mean": 0.0, "std": 1.0}
    return [
        case("digits_cnn", _digits),
        case("digits_vit", _digits),
        case("charlm", _characters),
        photographs("mobilenetv1_025_imagenet", "input", side=224),
        photographs("mobilenetv1_025_imagenet_bn", "input", side=224),
        photographs("squeezenet1.1_imagenet", "data", side=227, bgr=True, unit=1.0, **plain),
        photographs("ultraface_RFB320_bn", "input", size=(240, 320), **_FACES),
        photographs("ultraface_RFB320_ort_folded", "input", size=(240, 320), **_FACES),
        photographs("yolox_nano", "images", size=(416, 416), bgr=True, unit=1.0, **plain),
        photographs("fastestdet", "input.1", size=(352, 352), bgr=True, **plain),
        photographs("yunet_n_640", "input", size=(640, 640), bgr=True, unit=1.0, **plain),
        photographs("ppocr_mobile_v2_cls", "x", size=(48, 192), bgr=True, mean=0.5, std=0.5),
        case("espcn_subpixel_float", _patches),
        case("mnist_cntk_opset8", _large_digits),
        case("magika_standard_v3_3", _file_contents),
        case("micro_kws_fp32", _spectrograms),
        case("basic_pitch_nmp", _music),
    ]


_FACES = {"unit": 128.0, "mean": 127 / 128, "std": 1.0}


def _rows(path: Path, name: str, most: int, as_name: str = "") -> list[Feeds]:
    with np.load(path) as arrays:
        values = arrays[name][:most]
    return [{as_name or name: values[i : i + 1]} for i in range(len(values))]


def _alternate(samples: list[Feeds]) -> Pair:
    """Every other one: files in a folder are often sorted by what they show."""
    return samples[0::2], samples[1::2]


def _digits(inputs: Path) -> Pair:
    calibration = _rows(inputs / "digits_calib.npz", "image", 128)
    return calibration, _rows(inputs / "digits_eval.npz", "image", 200)


def _large_digits(inputs: Path) -> Pair:
    """The digits three times as large in a frame of 28 x 28, 0 to 255."""

    def grown(samples: list[Feeds]) -> list[Feeds]:
        frame = ((0, 0), (0, 0), (2, 2), (2, 2))
        block = np.ones((1, 1, 3, 3), np.float32)
        return [{"Input3": np.pad(np.kron(s["image"], block), frame) * 255} for s in samples]

    calibration, evaluation = _digits(inputs)
    return grown(calibration[:100]), grown(evaluation[:100])


def _characters(inputs: Path) -> Pair:
    calibration = _rows(inputs / "charlm_calib.npz", "tokens", 64)
    return calibration, _rows(inputs / "charlm_eval.npz", "tokens", 48)


def _file_contents(inputs: Path) -> Pair:
    return _alternate(_rows(inputs / "magika_eval.npz", "bytes", 76))


def _photographs(inputs: Path, fold: int, name: str, **options: Any) -> Pair:
    """Every other photograph to calibrate with; of the rest, where they are cropped, six views."""
    paths = sorted((inputs / "images_permissive").glob("*.jpg"))
    calibration = _pictures(paths[fold::2], **options)
    evaluation = _pictures(paths[1 - fold :: 2], views=bool(options.get("side")), **options)
    return [{name: x} for x in calibration], [{name: x} for x in evaluation]


def _pictures(
    paths: list[Path],
    *,
    side: int = 0,
    size: tuple[int, int] = (0, 0),
    bgr: bool = False,
    unit: float = 255.0,
    mean: float | tuple[float, ...] = IMAGENET[0],
    std: float | tuple[float, ...] = IMAGENET[1],
    views: bool = False,
) -> list[NDArray[np.float32]]:
    """Photographs as (pixel / unit - mean) / std: resized to `size`, or cropped to `side`."""
    found = []
    for path in paths:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        if side:
            cut = _crops(image, side, (0.5, 0.0, 1.0) if views else (0.5,))
        else:
            cut = [image.resize((size[1], size[0]), Image.Resampling.BILINEAR)]
        for one in cut:
            pixels = np.asarray(one, np.float32)[..., :: -1 if bgr else 1]
            values = (pixels / unit - np.float32(mean)) / np.float32(std)
            straight = values.transpose(2, 0, 1)[None]
            both = (straight, straight[..., ::-1]) if views else (straight,)
            found.extend(np.ascontiguousarray(view, np.float32) for view in both)
    return found


def _crops(image: Image.Image, side: int, places: tuple[float, ...]) -> list[Image.Image]:
    """The short side to 256, then squares at places between one end (0) and the other (1)."""
    factor = 256 / min(image.size)
    width, height = (max(side, round(n * factor)) for n in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    corners = [(round((width - side) * p), round((height - side) * p)) for p in places]
    return [image.crop((x, y, x + side, y + side)) for x, y in corners]


def _patches(inputs: Path) -> Pair:
    """Pieces of 4 x 4 pixels of photographs of 64 x 64, as the model's input is fixed."""

    def cut(pictures: list[NDArray[np.float32]]) -> list[Feeds]:
        corners = [(i, j) for i in (0, 20, 40) for j in (8, 30)]
        return [{"input": x[:, :, i : i + 4, j : j + 4]} for x in pictures for i, j in corners]

    paths = sorted((inputs / "images_permissive").glob("*.jpg"))
    found = _pictures(paths, size=(64, 64), mean=0.0, std=1.0)
    return cut(found[0::2]), cut(found[1::2])


def _spectrograms(inputs: Path) -> Pair:
    """Log-mel features of the recording: 49 frames of 40 bands, 0 to 26."""
    sound, rate = _recording(inputs)
    window, step, size = rate * 30 // 1000, rate * 20 // 1000, 512
    frames = np.lib.stride_tricks.sliding_window_view(sound, window)[::step]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(window), size)))
    mel = np.log1p(1e4 * power @ _mel_bands(40, size, rate).T)
    mel *= 26.0 / mel.max()
    starts = range(0, len(mel) - 49, 4)
    samples = [mel[i : i + 49].reshape(1, 1960).astype(np.float32) for i in starts]
    feeds = [{"serving_default_input:0": x} for x in samples]
    middle = len(feeds) // 2
    # Neighbouring windows overlap: those that would share a frame with the other half are left out.
    return feeds[: middle - 12], feeds[middle:]


def _mel_bands(bands: int, size: int, rate: int) -> NDArray[np.float64]:
    """(bands, size // 2 + 1) triangles between 125 Hz and 7.5 kHz, evenly spaced in mel."""
    ends = 1127.0 * np.log1p(np.array([125.0, 7500.0]) / 700.0)
    centres = 700.0 * np.expm1(np.linspace(*ends, bands + 2) / 1127.0)
    bins = np.fft.rfftfreq(size, 1 / rate)
    low, middle, high = centres[:-2, None], centres[1:-1, None], centres[2:, None]
    up, down = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.asarray(np.maximum(0.0, np.minimum(up, down)))


def _music(inputs: Path) -> Pair:
    """Windows of 43844 samples of the recording, at its own rate."""
    sound, _ = _recording(inputs)
    length = 43844
    half = len(sound) // 2

    def windows(part: NDArray[np.float32]) -> list[Feeds]:
        starts = np.linspace(0, len(part) - length, 8).astype(int)
        return [{"serving_default_input_2:0": part[i : i + length][None, :, None]} for i in starts]

    return windows(sound[:half]), windows(sound[half:])


def _recording(inputs: Path) -> tuple[NDArray[np.float32], int]:
    with wave.open(str(inputs / "noisy_mix.wav")) as opened:
        raw = opened.readframes(opened.getnframes())
        rate = opened.getframerate()
    return np.frombuffer(raw, np.int16).astype(np.float32) / 32768.0, rate
