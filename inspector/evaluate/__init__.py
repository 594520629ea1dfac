"""Running models: the only room that imports onnxruntime."""

import os

# onnxruntime reads this when it is imported. Else it keeps a device's number and a database in the
# home folder, sends what it runs to its maker, and warns on stderr where it cannot.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
