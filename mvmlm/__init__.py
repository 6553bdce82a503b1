"""MV-MLM: multi-view mammography and language. Research use only, not for diagnosis.

from mvmlm import load_exam, load_model
print(load_model().predict(load_exam(path)))
"""

from importlib import import_module

__version__ = "0.5.0"

_HOMES = {
    "load_exam": "imaging.load",
    "load_model": "inference.mvmlm_predictor",
    "Predictor": "inference.predictor",
    "Prediction": "inference.prediction",
    "Exam": "exam",
}
__all__ = ["Exam", "Prediction", "Predictor", "load_exam", "load_model"]


def __getattr__(name):  # loaded on first use: the decoding workers need neither torch nor gradio
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module 'mvmlm' has no attribute {name!r}")
