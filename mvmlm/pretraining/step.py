"""One training step: a batch through the model, the gradients of the global batch, and their mean over processes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import torch
from accelerate import PartialState
from torch import Tensor
from torch.distributed.nn.functional import all_gather

from ..exam import SIDES
from ..model.network import MVMLM
from ..model.objective import Embedded, box_loss, cells_in, join, mv_clip, presence_loss
from ..model.view_fusion import random_numbers_from
from .batches import Batch
from .processes import errors_of_all
from .schedule import Schedule


def embed(model: MVMLM, batch: Batch, bf16: bool = False, seeds: Sequence[int] | None = None) -> Embedded:
    """Run the views that are there and the reports of a batch through the towers, the fusion and the heads.

    bf16: run the towers in bfloat16; the rest keeps the precision of the model's parameters. seeds: one for the dropout
    of each exam.
    """
    device, dtype = model.logit_scale.device, model.logit_scale.dtype
    exams = len(batch.images)
    present = batch.present.to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        features, inside = model.feature_maps(batch.images[batch.present].to(device, dtype))
        first, second = (model.embed_texts(texts, seeds).unflatten(0, (exams, len(SIDES))) for texts in batch.wordings)
    features = features.to(dtype)
    pooled = model.place_views(model.image_tower.pool(features, inside), present)
    fused = model.fusion(pooled, present, seeds)
    return Embedded(
        views=model.embed_views(pooled),
        breasts=model.embed_breasts(fused),
        first=first.to(dtype),
        second=second.to(dtype),
        logits=model.answer(fused),
        box_losses=_box_losses(model, features, inside, batch),
        present=present,
        keys=batch.keys.to(device),
        labels={name: values.to(device) for name, values in batch.labels.items()},
    )


def _box_losses(model: MVMLM, features: Tensor, inside: Tensor, batch: Batch) -> Tensor:
    """(exams, 2): the sum of the box losses of each exam, and the number of boxes.

    To the loss of each box is added that of the presence of its finding in the view, once for all its boxes there.
    features, inside: of the n present views.
    """
    out = features.new_zeros(len(batch.images), 2)
    tasks = model.image_tower.finding_tasks
    known = [(exam, box) for exam, box in batch.boxes if box.kind in tasks]
    if not known:
        return out + features.sum() * 0
    rows, columns = batch.images.shape[-2:]
    row_of_view = batch.present.flatten().cumsum(0).view_as(batch.present) - 1  # in the tensors of the present views
    view = torch.tensor([int(row_of_view[exam, box.view]) for exam, box in known], device=features.device)
    task = torch.tensor([tasks.index(box.kind) for _, box in known], device=features.device)
    exam = torch.tensor([exam for exam, _ in known], device=features.device)
    relative = [(box.left / columns, box.top / rows, box.right / columns, box.bottom / rows) for _, box in known]
    boxes, evidence = torch.tensor(relative, device=features.device), model.image_tower.evidence(features)
    losses = box_loss(evidence[view, task], inside[view, 0], boxes)
    out = out.index_add(0, exam, torch.stack([losses, torch.ones_like(losses)], 1))

    maps, map_of_box = torch.stack([view, task, exam], 1).unique(dim=0, return_inverse=True)
    cells = cells_in(boxes, *evidence.shape[-2:])
    marked = torch.stack([cells[map_of_box == index].any(0) for index in range(len(maps))])
    losses = presence_loss(evidence[maps[:, 0], maps[:, 1]], inside[maps[:, 0], 0], marked)
    return out.index_add(0, maps[:, 2], torch.stack([losses, torch.zeros_like(losses)], 1))


def gather_with_gradients(value: Tensor) -> Tensor:
    """Concatenate a tensor of all processes, in their order; gradients flow back to the tensor of each process."""
    processes = PartialState().num_processes
    if processes == 1:
        return value
    if value.dtype.is_floating_point:
        with warnings.catch_warnings():  # torch announces another function, which not every version that we use has
            warnings.simplefilter("ignore", FutureWarning)
            return torch.cat(all_gather(value.contiguous()))
    gathered = [torch.empty_like(value) for _ in range(processes)]
    torch.distributed.all_gather(gathered, value.contiguous())
    return torch.cat(gathered)


def add_gradients(model: MVMLM, batch: Batch, schedule: Schedule) -> dict[str, float]:
    """Backpropagate the loss of the global batch and return its terms.

    batch: the exams of this process. Every process computes the loss of all exams; `average_gradients` afterwards gives
    each process the gradient of that loss. The dropout of an exam follows from the state of torch's CPU generator, the
    same in every process, and the exam's position in the global batch: neither the number of processes nor that of the
    exams at once changes the result.

    With fewer exams at once than the batch has this is gradient caching (Gao et al., 2021, "Scaling Deep
    Contrastive Learning Batch Size under Memory Limited Setup"): a first pass computes the
    features of all chunks without gradients, the loss gives the gradient of each feature, and a second pass over the
    chunks, with the same random numbers, backpropagates these to the parameters. Raises OtherProcessFailed where
    another process fails in a pass.
    """
    exams, seeds = len(batch.images), _dropout_seeds(len(batch.images))
    at_once = schedule.exams_at_once or exams
    chunks = [
        (batch.subset(start, start + at_once), seeds[start : start + at_once]) for start in range(0, exams, at_once)
    ]
    whole = len(chunks) == 1

    def embed_chunk(chunk: Batch, chunk_seeds: Sequence[int]) -> Embedded:
        with random_numbers_from(chunk_seeds[0], model.logit_scale.device):
            return embed(model, chunk, schedule.bf16, chunk_seeds)

    with errors_of_all(), torch.set_grad_enabled(whole):
        embedded_chunks = [embed_chunk(*chunk) for chunk in chunks]
    # a step in features alone: where the processes wait for each other, none of them runs out of memory
    embedded = join(embedded_chunks).map(torch.Tensor.detach)
    features = [tensor.requires_grad_(True) for tensor in embedded.differentiable()]
    terms = mv_clip(embedded.map(gather_with_gradients), model.similarity_scale, schedule.loss)
    _total(terms.values()).backward()
    with errors_of_all():
        start = 0
        for chunk in chunks:
            again = embedded_chunks[0] if whole else embed_chunk(*chunk)
            stop = start + len(chunk[0].images)
            products = [
                (value * feature.grad[start:stop]).sum()
                for value, feature in zip(again.differentiable(), features, strict=True)
                if feature.grad is not None
            ]
            _total(products).backward()
            start = stop
    return {name: float(value.detach()) for name, value in terms.items()}


def _dropout_seeds(exams: int) -> list[int]:
    """The seed of each of this process's exams, drawn once for the global batch."""
    drawn = int(torch.randint(2**48, ()))
    first = PartialState().process_index * exams
    return [drawn + first + exam for exam in range(exams)]


def _total(values: Iterable[Tensor]) -> Tensor:
    first, *others = values
    for value in others:
        first = first + value
    return first


def average_gradients(model: MVMLM, batches: int = 1) -> None:
    """Average the gradients over the processes and over the `batches` that were backpropagated."""
    processes = PartialState().num_processes
    for parameter in model.parameters():
        if processes > 1 and parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.distributed.all_reduce(parameter.grad)
            parameter.grad /= processes
        if batches > 1 and parameter.grad is not None:
            parameter.grad /= batches
