"""Time published models on this machine: torch, torch with folded normalisation, and OpenVINO, in one run.

The weights are random and seeded, as the speed does not depend on them. --published DIR, a checkout of the Mammo-CLIP
repository, adds the authors' own code: its time, and how far features are from it. Each engine reads the same picture
in turn, so that other work on the machine slows all of them.

    python scripts/benchmark_published.py [--models mammo-clip-b5 ...] [--published DIR] [--repeats N]
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import statistics
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import Tensor, nn

from mvmlm.inference.engine import compiled_trunk, is_installed
from mvmlm.model.folding import fold_batch_norms
from mvmlm.published.clip_layout import COLUMNS, ROWS
from mvmlm.published.efficientnet import LastMap, published_efficientnet, published_names
from mvmlm.published.mirai import COLUMNS as MIRAI_COLUMNS
from mvmlm.published.mirai import ROWS as MIRAI_ROWS
from mvmlm.published.mirai_network import MiraiNetwork, ResNetMap
from mvmlm.published.preparation import MammoscreenPreparation

Run = Callable[[Tensor], Tensor]


def main() -> None:
    """Print a table for each model."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=TRUNKS, default=list(TRUNKS))
    parser.add_argument("--published", type=Path, metavar="DIR", help="a checkout of the Mammo-CLIP repository")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    for name in options.models:
        torch.manual_seed(1)
        trunk, size = TRUNKS[name]()
        randomise(trunk)
        authors = authors_code(options.published, name, trunk) if options.published else None
        print_table(name, trunk, size, authors, options.repeats)


def mammo_clip(variant: str) -> tuple[nn.Module, tuple[int, int]]:
    """The image encoder of Mammo-CLIP."""
    return LastMap(published_efficientnet(variant)).eval(), (ROWS, COLUMNS)


def mirai() -> tuple[nn.Module, tuple[int, int]]:
    """The image encoder of Mirai."""
    return ResNetMap(MiraiNetwork.empty_trunk()).eval(), (MIRAI_ROWS, MIRAI_COLUMNS)


def mammoscreen() -> tuple[nn.Module, tuple[int, int]]:
    """The first of mammoscreen's three networks."""
    from mvmlm.published.mammoscreen_network import ScreenNetwork

    return ScreenNetwork().eval().backbone, MammoscreenPreparation.FRAMES[0]


TRUNKS: dict[str, Callable[[], tuple[nn.Module, tuple[int, int]]]] = {
    "mammo-clip-b5": lambda: mammo_clip("b5"),
    "mammo-clip-b2": lambda: mammo_clip("b2"),
    "mirai": mirai,
    "mammoscreen": mammoscreen,
}


@torch.no_grad()
def randomise(trunk: nn.Module) -> None:
    """Give the normalisations statistics of their own, as trained ones have: without them folding changes nothing."""
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.6, 1.6)


def authors_code(checkout: Path, name: str, trunk: nn.Module) -> nn.Module | None:
    """The authors' image encoder with the same weights, from their checkout; None for a model that is not theirs."""
    if not name.startswith("mammo-clip"):
        return None
    folder = checkout / "src" / "codebase" / "breastclip" / "model" / "modules"
    package = types.ModuleType("authors")
    package.__path__ = [str(folder)]
    sys.modules["authors"] = package
    spec = importlib.util.spec_from_file_location("authors.efficientnet_custom", folder / "efficientnet_custom.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{checkout.name}: no checkout of the Mammo-CLIP repository")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.EfficientNet.from_name(f"efficientnet-{name[-2:]}", num_classes=1).eval()
    ours: Any = trunk
    state = {theirs: ours.trunk.state_dict()[mine] for mine, theirs in published_names(ours.trunk).items()}
    state["_conv_stem.weight"] = state["_conv_stem.weight"].expand(-1, 3, -1, -1) / 3  # ours has one channel
    network.load_state_dict(state, strict=False)
    return network


@torch.inference_mode()
def print_table(name: str, trunk: nn.Module, size: tuple[int, int], authors: nn.Module | None, repeats: int) -> None:
    """Print seconds a picture, times faster than the first row, and the error of pooled features."""
    image = torch.rand(1, 1, *size)
    folded = copy.deepcopy(trunk)
    fold_batch_norms(folded)
    runs: dict[str, Run] = {}
    if authors is not None:
        theirs: Any = authors
        runs["the authors’ code"] = lambda picture: theirs.extract_features(picture.expand(-1, 3, -1, -1))
    runs["torch"] = trunk
    runs["torch, channels last"] = lambda picture: trunk(picture.contiguous(memory_format=torch.channels_last))
    runs["torch, folded"] = lambda picture: folded(picture.contiguous(memory_format=torch.channels_last))
    if is_installed():
        for title, bf16 in (("OpenVINO, float32", False), ("OpenVINO, bfloat16", True)):
            runs[title] = compiled_trunk(folded, size, bf16, None)
    seconds: dict[str, list[float]] = {title: [] for title in runs}
    pooled: dict[str, Tensor] = {}
    for title, run in runs.items():
        pooled[title] = run(image).mean((-2, -1))[0]  # the first run is not counted
    for _ in range(repeats):
        for title, run in runs.items():
            start = time.perf_counter()
            run(image)
            seconds[title].append(time.perf_counter() - start)
    first = next(iter(runs))
    print(f"\n{name}, {size[0]} x {size[1]}, {torch.get_num_threads()} threads, median of {repeats}")
    print(f"{'':22}{'s a picture':>12}{'times faster':>14}{'error':>10}")
    for title, taken in seconds.items():
        error = float((pooled[title] - pooled[first]).norm() / pooled[first].norm())
        faster = statistics.median(seconds[first]) / statistics.median(taken)
        print(f"{title:22}{statistics.median(taken):12.3f}{faster:14.1f}{error:10.1e}")


if __name__ == "__main__":
    main()
