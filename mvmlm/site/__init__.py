"""Scores of a model and the site's own labels in; probabilities, a threshold and a watch that hold at that site out.

Entry points: `recalibration.recalibrate` and `before_after.before_and_after` (binary tasks),
`class_calibration.recalibrate_classes` (density), `survival.recalibrate_risks` (risk of years 1 to 5),
`operating_point.certified_threshold`, `drift.watch`, and without images `clinical_risk.gail_risk` (a woman's answers)
and `canrisk.ask` (her pedigree, sent to a web service). All others are pure functions of arrays and rows. Results are
frozen dataclasses, with `to_json` and `from_json` where they are stored; whoever calls stores them.
"""
