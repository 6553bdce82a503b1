"""Which heads are not asked about women, and why."""

from __future__ import annotations

from ..model.config import PHANTOMS, WOMEN, ModelRecord
from ..model.heads import TaskHead
from ..tasks import Kind

#: on whom risk was learned, where it was not women, or None where that is not known -> why a woman gets no answer
NOT_FOR_WOMEN = {
    PHANTOMS: "not trained on women. The model learned it on phantoms, so it is shown for phantom exams only.",
    None: "not trained on women, as far as the record of these weights says. To have it for women, teach a head on "
    "exams with a follow-up (Fine-tune), or train the weights again (mvmlm pretrain).",
}


def why_not_for_women(head: TaskHead, record: ModelRecord, own: bool) -> str:
    """Return why a head is not asked about women, a sentence; "" for one that is.

    The future of a phantom is invented, so what was learned of it says nothing about a woman's. record: of the weights.
    own: whether the head came with them.
    """
    if head.task.kind is not Kind.SURVIVAL:
        return record.not_for_women.get(head.task.name, "") if own else ""
    learned_on = record.risk_learned_on if own else PHANTOMS if head.learned_on_phantoms else WOMEN
    return "" if learned_on == WOMEN else NOT_FOR_WOMEN[learned_on]
