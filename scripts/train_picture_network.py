"""Train the picture network and write mvmlm/imaging/picture_network.onnx and its record.

    pip install -e .[train] && python scripts/train_picture_network.py [--real ../shared/real_mammograms]
        [--phantoms 350] [--steps 2400] [--seed 5]

It takes about half an hour on two cores. Without the folder of real mammograms it learns from phantoms alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

import cv2
import numpy as np
import onnx
import torch
from picture_samples import UNKNOWN, Breast, Sample, phantom_breasts, real_breasts, sample
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from mvmlm.imaging.picture_network import COLUMNS, EDGES, FILE, KINDS, OUTPUTS, ROWS, network_input

WIDTHS = (16, 24, 40, 64, 96)
BATCH = 32
RATE = 3e-3
LICENCES = {
    "phantoms": "drawn by this program",
    "rsna-640": "RSNA Screening Mammography Breast Cancer Detection (2022): non-commercial research and education only",
    "cbis-mass-800": "CBIS-DDSM (Sawyer-Lee et al., TCIA 2016, doi 10.7937/K9/TCIA.2016.7O02S9CY): CC BY 3.0",
    "cdd-cesm": "CDD-CESM (Khaled et al., Scientific Data 2022, doi 10.7937/29kw-ae92): CC BY 4.0",
}


def _block(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class PictureNetwork(nn.Module):
    """A U-Net (Ronneberger et al., 2015) at half the input's resolution, with the properties read from its bottom.

    (views, 1, ROWS, COLUMNS) -> breast (views, 1, ROWS / 2, COLUMNS / 2) and properties (views, len(OUTPUTS)), logits.
    """

    def __init__(self) -> None:
        super().__init__()
        steps = list(zip(WIDTHS, WIDTHS[1:], strict=False))
        self.first = nn.Sequential(_block(1, WIDTHS[0], 2, 5), _block(WIDTHS[0], WIDTHS[0]))
        self.down = nn.ModuleList(nn.Sequential(_block(a, b, 2), _block(b, b)) for a, b in steps)
        self.up = nn.ModuleList(_block(a + b, a) for a, b in reversed(steps))
        self.breast = nn.Conv2d(WIDTHS[0], 1, 1)
        cells = (ROWS // 32) * (COLUMNS // 32)
        self.properties = nn.Sequential(
            _block(WIDTHS[-1], 32, size=1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(32 * cells, 48), nn.ReLU(),
            nn.Linear(48, len(OUTPUTS)),
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of breast and properties."""
        levels = [self.first(x)]
        for step in self.down:
            levels.append(step(levels[-1]))
        x = levels.pop()
        properties = self.properties(x)
        for step in self.up:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = step(torch.cat([x, levels.pop()], 1))
        return self.breast(x), properties


class Batches(Dataset):
    """The batch of each step: pictures (BATCH, 1, ROWS, COLUMNS), masks, whether the masks are known, and the classes.

    pools: as `sample` takes them.
    """

    def __init__(self, pools: tuple[list[Breast], list[Breast], list[Breast]], steps: int, seed: int):
        self.pools, self.steps, self.seed = pools, steps, seed

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([self.seed, step])
        made = [as_input(sample(rng, *self.pools)) for _ in range(BATCH)]
        inputs, masks, known, classes = zip(*made, strict=True)
        pictures, wanted = torch.from_numpy(np.stack(inputs))[:, None], torch.from_numpy(np.stack(masks))
        return pictures, wanted, torch.tensor(known), torch.tensor(classes, dtype=torch.float32)


def as_input(drawn: Sample) -> tuple[np.ndarray, np.ndarray, bool, list[float]]:
    """Return a sample as the network takes it: input, mask, whether the mask is known, and the classes."""
    framed, place = network_input((drawn.picture * 65535).astype(np.uint16))
    mask = np.zeros((ROWS, COLUMNS), np.float32)
    if drawn.mask is not None:
        left, top, right, bottom = place.box
        part = drawn.mask[top:bottom, left:right].astype(np.float32)
        small = cv2.resize(part, (place.width, place.height), interpolation=cv2.INTER_AREA)
        mask[place.top : place.top + place.height, place.left : place.left + place.width] = small
    known = drawn.mask is not None
    return framed, mask, known, [drawn.edge, drawn.kind, drawn.head_first, drawn.mlo, drawn.negative]


def loss(network: PictureNetwork, pictures: Tensor, masks: Tensor, known: Tensor, labels: Tensor) -> Tensor:
    """Return the sum of the mask's cross-entropy and overlap losses and those of the properties that are known."""
    breast, values = network(pictures.to(memory_format=torch.channels_last))
    breast = functional.interpolate(breast, size=(ROWS, COLUMNS), mode="bilinear", align_corners=False)[:, 0]
    wanted, found = masks[known], breast[known]
    share = found.sigmoid()
    overlap = 1 - (2 * (share * wanted).sum((1, 2)) + 1) / (share.sum((1, 2)) + wanted.sum((1, 2)) + 1)
    total = 6 * functional.binary_cross_entropy_with_logits(found, wanted) + overlap.mean()
    ends = len(EDGES), len(EDGES) + len(KINDS)
    for column, logits in enumerate((values[:, : ends[0]], values[:, ends[0] : ends[1]])):
        total = total + functional.cross_entropy(
            logits, labels[:, column].long(), ignore_index=UNKNOWN, label_smoothing=0.01
        )
    for column in range(2, 5):
        there = labels[:, column] != UNKNOWN
        logits = values[there, ends[1] + column - 2]
        total = (
            total + functional.binary_cross_entropy_with_logits(logits, labels[there, column]) if there.any() else total
        )
    return total


def export(network: PictureNetwork, path: Path) -> str:
    """Write the network as ONNX, without notes on the machine that wrote it; return its SHA-256."""
    network.eval()
    torch.onnx.export(
        network, (torch.zeros(1, 1, ROWS, COLUMNS),), str(path), input_names=["picture"],
        output_names=["breast", "properties"], dynamo=False, opset_version=12,
    )  # fmt: skip
    written = onnx.load(path)
    onnx.checker.check_model(written)
    for node in written.graph.node:
        node.ClearField("doc_string")
    onnx.save(written, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pools(real: Path, phantoms: int, seed: int) -> tuple[list[Breast], list[Breast], list[Breast]]:
    """Return the phantoms' views, the real views with an outline, and those of which only the projection is known."""
    drawn = list(phantom_breasts(phantoms, seed))
    found = list(real_breasts(real)) if real.is_dir() else []
    return drawn, [b for b in found if b.mask is not None], [b for b in found if b.mask is None]


def main() -> None:
    """Train, export and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, default=ROOT.parent / "shared" / "real_mammograms")
    parser.add_argument("--phantoms", type=int, default=350)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    all_pools = pools(options.real, options.phantoms, options.seed)
    print(f"{[len(pool) for pool in all_pools]} views", flush=True)
    network = PictureNetwork().to(memory_format=torch.channels_last)  # a third faster on a CPU
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=options.steps, pct_start=0.1)
    start, running = time.time(), 0.0
    drawn = Batches(all_pools, options.steps, options.seed)
    batches = DataLoader(drawn, batch_size=None, num_workers=1, prefetch_factor=8)
    for step, batch in enumerate(batches):
        value = loss(network, *batch)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        running += value.item()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {running / 100:.4f}, {time.time() - start:.0f} s", flush=True)
            running = 0.0
            export(network, options.out)
            network.train()
    digest = export(network, options.out)
    learned = LICENCES if len(all_pools[1]) else {"phantoms": LICENCES["phantoms"]}
    record = {
        "sha256": digest, "command": "python scripts/train_picture_network.py", "phantoms": options.phantoms,
        "views": dict(zip(("phantoms", "real, outlined", "real, projection only"), map(len, all_pools), strict=True)),
        "steps": options.steps, "seed": options.seed, "learned_from": learned,
    }  # fmt: skip
    options.out.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
