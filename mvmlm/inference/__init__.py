"""An `Exam` in, a `Prediction`, maps and prompt scores out.

Entry points: `predictor.load_model`, `explain.source_maps`, `output.prediction_record`.
"""
