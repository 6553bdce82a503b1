"""Findings in BI-RADS terms in, report text out; and report text in, findings out.

Entry points: `findings.Findings`, `writer.write_report`, `parser.parse_report`. The words are in `lexicon`.
"""
