"""Where a saved model lies and keeps its parts; apart from `saved.py`, so that asking does not import JAX."""

MANIFEST = "model.json"
PARAMETERS, AUTOENCODERS, EXAM = "parameters", "autoencoders", "exam"  # files, without suffix
FOLDER = "model"  # in a run's directory
REJECTED = "model.rejected"  # likewise, where an update was not accepted
