"""What a start from the command line imports before its graph is on the screen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

LATER = (
    *("onnxruntime", "PIL", "pyqtgraph", "xml.sax", "concurrent.futures.process"),
    *("onnx.reference", "inspector.onnxio.encodings", "inspector.onnxio.simulation"),
    *("inspector.report.html", "inspector.report.charts", "inspector.report.content"),
    *("inspector.report.snippet", "inspector.session.job", "inspector.session.recovery"),
    *("inspector.session.writing", "inspector.evaluate.calibrate", "inspector.evaluate.recovery"),
    *("inspector.evaluate.search", "inspector.evaluate.sensitivity"),
    *("inspector.gui.estimate", "inspector.gui.export", "inspector.gui.export_svg"),
    *("inspector.gui.report_export", "inspector.gui.report_pdf", "inspector.gui.sidecar_export"),
    *("inspector.gui.training_export", "inspector.session.training"),
    *("inspector.session.effects", "inspector.session.script"),
)
PROGRAM = """
import json, sys
from inspector.gui.app import application
from inspector.gui.main_window import MainWindow
app = application()
window = MainWindow(plots_later=True)
imported = []
window.graph.painted.disconnect(window.plot_slot.make_soon)  # which begins in that moment
window.graph.painted.connect(lambda: imported or imported.append(sorted(sys.modules)))
window.show()
window.open_path(sys.argv[1])
while not imported:
    app.processEvents()
print(json.dumps(imported[0]))
window.close_now()
"""


def test_what_a_graph_does_not_need_is_imported_after_it(
    sample_models: Path, tmp_path: Path
) -> None:
    """Running, exports, reports, recovery and plots: a model is on the screen before them."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(sample_models / "digits_cnn.onnx")],
        env={
            **os.environ,
            "QT_QPA_PLATFORM": "offscreen",
            "QUANT_INSPECTOR_STATE": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = set(json.loads(ran.stdout.splitlines()[-1]))
    assert "inspector.gui.graph_view.view" in imported
    assert imported & set(LATER) == set()
