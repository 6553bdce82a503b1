"""Signed readings of the store and their exams' embeddings in; a new head version and its comparison out.

Entry points: `finetune.finetune_from_store`, `head.with_active_heads`, `retrieval.ExamIndex`,
`active_learning.choose_exams`.
"""
