"""Predictions and labels in; metrics with 95 % intervals, comparisons of two heads and agreement of two readers out.

Entry points: `report.evaluate`, `compare.compare_heads`, `agreement.reader_agreement`. `metrics`, `bootstrap` and
`calibration` hold the formulas and name their sources.
"""
