"""Models of other groups behind the same contract as ours: one file a family.

A checkpoint of its authors goes in, by `convert`; a safetensors file with a named preparation of pictures comes out,
which `loading.load_model` reads. No file here loads a pickle: `checkpoint_file` reads the tensors alone.
"""
