"""An `Exam` goes in; a `Prediction`, prompt scores and maps come out.

Entry points: `model_predictor.load_model`, `predictor.Predictor` (the contract of every model), `explain.source_maps`,
`output.prediction_record`.
"""
