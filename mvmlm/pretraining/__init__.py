"""Exams with findings from tables in, new weights out.

Entry points: `exam_cache.cache_cases`, `train.pretrain`, `paraphrase.write_rewordings`.
"""
