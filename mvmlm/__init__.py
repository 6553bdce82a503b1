"""MV-MLM: multi-view mammography and language. Research use only, not for diagnosis.

    from mvmlm import load_exam, load_model
    print(load_model().predict(load_exam(path)))

The names below are imported on first use, because the processes that open files must start without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exam import Exam
    from .imaging.load import load_exam
    from .inference.prediction import Prediction
    from .inference.predictor import Predictor
    from .loading import load_model

__version__ = "0.5.0"
__all__ = ["Exam", "Prediction", "Predictor", "load_exam", "load_model"]

_MODULES = {
    "Exam": "exam",
    "Prediction": "inference.prediction",
    "Predictor": "inference.predictor",
    "load_exam": "imaging.load",
    "load_model": "loading",
}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module 'mvmlm' has no attribute {name!r}")
