"""The plots. Only this package knows pyqtgraph; items are made once and get new data."""
