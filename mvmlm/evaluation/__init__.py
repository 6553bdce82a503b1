"""Predictions and labels in, metrics with 95 % intervals and comparisons of two heads out.

Entry points: `report.evaluate`, `compare.compare_heads`, `agreement.reader_agreement`; `metrics` and `calibration` hold
the formulas.
"""
