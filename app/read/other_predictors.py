"""The predictors of other models than the one that the app was started with, by name."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from mvmlm.published.catalogue import CATALOGUE
from mvmlm.published.download import MODELS
from mvmlm.store.store import Store

from ..zero_gpu import model_device

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

BUNDLED = "demo"
MOST_LOADED = 2  # models; each takes up to 1.5 GB of memory


class OtherPredictors:
    """Loads a model when it is first asked, and keeps those that were asked last. Safe to share between threads.

    own: the name or file of the weights that the app was started with, which are not listed.
    """

    def __init__(self, store: Store, own: str):
        self._store, self._own, self._lock = store, Path(own).stem, threading.Lock()
        self._loaded: OrderedDict[str, ModelPredictor] = OrderedDict()

    def choices(self) -> list[tuple[str, str]]:
        """Return (title, name) of the models on this machine, the bundled one first."""
        files = sorted((self._store.folder / MODELS).glob("*.safetensors"))
        named = [(CATALOGUE[file.stem].title if file.stem in CATALOGUE else file.stem, file.stem) for file in files]
        return [(title, name) for title, name in [("MV-MLM demo", BUNDLED), *named] if name != self._own]

    def get(self, name: str) -> ModelPredictor:
        """Return the predictor of a model of `choices`, answering with the heads that were taught on its weights.

        Raises ValueError for another name, and what `loading.load_model` does.
        """
        from mvmlm.finetuning.head import with_active_heads
        from mvmlm.finetuning.site_versions import with_active_site_versions
        from mvmlm.loading import load_model

        if name not in [known for _, known in self.choices()]:
            raise ValueError(f"{name}: not on this machine. Fetch it on the page “About”.")
        with self._lock:
            if name not in self._loaded:
                file = name if name == BUNDLED else self._store.folder / MODELS / f"{name}.safetensors"
                self._loaded[name] = load_model(file, model_device())
                while len(self._loaded) > MOST_LOADED:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(name)
            base = self._loaded[name]
        return with_active_site_versions(with_active_heads(base, self._store, elsewhere=False), self._store)
