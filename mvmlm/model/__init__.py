"""The network, its text tokenizer, its objective and its weights files.

Entry points: `weights.load_weights`, `network.MVMLM`, `config.Preset`, `objective.mv_clip`. Knows images only as
tensors.
"""
