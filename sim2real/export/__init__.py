"""Export: a trained policy as one ONNX file with its specification inside, and its use without JAX.

`export.export` writes, `policy.Policy` loads and acts, `spec.PolicySpec` is what the file says of itself.
"""
