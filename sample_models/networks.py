"""The three networks, written so that their exported graphs are pleasant to read.

Every attribute name below becomes part of a node's name in the ONNX file, so
`self.block1.depthwise.conv` is shown to the user as `/block1/depthwise/conv/Conv`.
All of them map `image` [N, 1, 8, 8], float32 in 0..1, to `logits` [N, 10].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 10
IMAGE_SIZE = 8


class ConvBn(nn.Module):
    """Convolution, batch normalization and, if asked for, an activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(outputs)
        self.act = None if activation is None else activation()

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, inputs, H, W] to [N, outputs, H/stride, W/stride]."""
        x = self.bn(self.conv(x))
        return x if self.act is None else self.act(x)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, as in ResNet (He et al. 2015, figure 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvBn(inputs, outputs, 3, stride=stride, activation=nn.ReLU)
        self.conv2 = ConvBn(outputs, outputs, 3)
        changes_shape = stride != 1 or inputs != outputs
        self.shortcut = ConvBn(inputs, outputs, 1, stride=stride) if changes_shape else None
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, inputs, H, W] to [N, outputs, H/stride, W/stride]."""
        kept = x if self.shortcut is None else self.shortcut(x)
        return self.act(self.conv2(self.conv1(x)) + kept)


class DigitsCnn(nn.Module):
    """A small residual network."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBn(1, 16, 3, activation=nn.ReLU)
        self.block1 = ResidualBlock(16, 16, stride=1)
        self.block2 = ResidualBlock(16, 32, stride=2)
        self.block3 = ResidualBlock(32, 64, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(64, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        """Map [N, 1, 8, 8] to logits [N, 10]."""
        x = self.block3(self.block2(self.block1(self.stem(image))))
        return self.head(torch.flatten(self.pool(x), 1))


class SeparableBlock(nn.Module):
    """Depthwise 3x3, then pointwise 1x1, each with BatchNorm and ReLU6 (MobileNet)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise = ConvBn(
            inputs, inputs, 3, stride=stride, groups=inputs, activation=nn.ReLU6
        )
        self.pointwise = ConvBn(inputs, outputs, 1, activation=nn.ReLU6)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, inputs, H, W] to [N, outputs, H/stride, W/stride]."""
        return self.pointwise(self.depthwise(x))


class DigitsMobile(nn.Module):
    """A depthwise-separable network whose channels live on very different scales.

    In large MobileNets the BatchNorm scales (gamma) drift far apart during a long training, and
    the folded weights of one layer then span orders of magnitude (Nagel et al. 2019, figure 2).
    A few minutes on small images do not get there, so gamma *starts* spread out, log-uniformly
    over `GAMMA_RANGE`, and the whole network is trained from that start. Nothing is rescaled
    after the training. A channel that leaves one layer small is scaled back up by the BatchNorm
    of the depthwise layer that follows, so the channels of small range matter as much as others.
    """

    GAMMA_RANGE = (0.05, 3.0)

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBn(1, 16, 3, activation=nn.ReLU6)
        self.block1 = SeparableBlock(16, 32, stride=1)
        self.block2 = SeparableBlock(32, 64, stride=2)
        self.block3 = SeparableBlock(64, 64, stride=1)
        self.block4 = SeparableBlock(64, 128, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(128, CLASSES)
        self._spread_gammas()

    def _spread_gammas(self) -> None:
        low, high = (math.log(bound) for bound in self.GAMMA_RANGE)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                with torch.no_grad():
                    module.weight.copy_(torch.empty_like(module.weight).uniform_(low, high).exp())

    def forward(self, image: Tensor) -> Tensor:
        """Map [N, 1, 8, 8] to logits [N, 10]."""
        x = self.block2(self.block1(self.stem(image)))
        x = self.block4(self.block3(x))
        return self.head(torch.flatten(self.pool(x), 1))


class TokenLinear(nn.Module):
    """A linear layer over tokens, its weight stored as MatMul wants it: [inputs, outputs].

    `nn.Linear` stores the transpose, which would be exported as a Transpose node beside each
    MatMul, or, folded, as a weight without its name.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., inputs] to [..., outputs]."""
        return x @ self.weight + self.bias


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2)."""

    def __init__(self, tokens: int, width: int, heads: int) -> None:
        super().__init__()
        self.tokens, self.width, self.heads = tokens, width, heads
        self.scale = (width // heads) ** -0.5
        self.query = TokenLinear(width, width)
        self.key = TokenLinear(width, width)
        self.value = TokenLinear(width, width)
        self.project = TokenLinear(width, width)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(-1, self.tokens, self.heads, self.width // self.heads)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, tokens, width] to the same shape."""
        query = self._split(self.query(x)).permute(0, 2, 1, 3)
        key = self._split(self.key(x)).permute(0, 2, 3, 1)
        value = self._split(self.value(x)).permute(0, 2, 1, 3)
        weights = functional.softmax(query @ key * self.scale, dim=-1)
        mixed = (weights @ value).permute(0, 2, 1, 3).reshape(-1, self.tokens, self.width)
        return self.project(mixed)


class Mlp(nn.Module):
    """Two linear layers with a GELU between them, for each token alone."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = TokenLinear(width, hidden)
        self.act = nn.GELU()
        self.fc2 = TokenLinear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, tokens, width] to the same shape."""
        return self.fc2(self.act(self.fc1(x)))


class TransformerBlock(nn.Module):
    """Attention and MLP, each normalized before and added to its input (pre-norm)."""

    def __init__(self, tokens: int, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(tokens, width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, tokens, width] to the same shape."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    """Cut the image into patches, map each to a token, and add where it came from."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.tokens, self.width = (IMAGE_SIZE // patch) ** 2, width
        self.conv = nn.Conv2d(1, width, patch, patch)
        self.position = nn.Parameter(0.02 * torch.randn(1, self.tokens, width))

    def forward(self, image: Tensor) -> Tensor:
        """Map [N, 1, 8, 8] to [N, tokens, width]."""
        patches = self.conv(image).reshape(-1, self.width, self.tokens)
        return patches.permute(0, 2, 1) + self.position


class DigitsVit(nn.Module):
    """A small vision transformer (Dosovitskiy et al. 2020) that averages its tokens."""

    def __init__(self, patch: int = 2, width: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.embed = PatchEmbedding(patch, width)
        self.block1 = TransformerBlock(self.embed.tokens, width, heads)
        self.block2 = TransformerBlock(self.embed.tokens, width, heads)
        self.block3 = TransformerBlock(self.embed.tokens, width, heads)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        """Map [N, 1, 8, 8] to logits [N, 10]."""
        x = self.block3(self.block2(self.block1(self.embed(image))))
        return self.head(self.norm(x).mean(dim=1))
