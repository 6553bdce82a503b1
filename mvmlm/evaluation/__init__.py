"""Predictions and labels in; metrics with 95 % intervals, reports, comparisons and agreement of two readers out.

Entry points: `predictions_csv.read_predictions`, `table_evaluation.evaluate_table` and `report_page.html_page` for a
table of predictions; `report.evaluate` for predictions of our own; `compare.compare_heads`;
`agreement.reader_agreement`.

The formulas, with their sources, are in `discrimination`, `ordinal`, `survival`, `calibration`, `decision_curve`,
`operating_points` and `map_measures`. Arrays go in and numbers come out; an undefined one is NaN. `bootstrap` gives
every metric its interval: a metric of case weights is computed for many resamples of patients at once.
"""
