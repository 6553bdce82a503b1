"""Pretraining: exams of a data set with their findings and labels go in, new weights come out.

`exam_cache.cache_cases` decodes the exams, `record.new_record` prepares the record, `train.pretrain` trains;
`paraphrase.write_paraphrases` adds a language model's wordings of the reports.
"""
