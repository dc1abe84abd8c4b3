"""Draws layers with QGIS, without a screen. Run by the system's Python, which has `qgis.core`.

    qgis_layers.py SIZE FILE

FILE holds JSON: [{"provider", "uri", "crs", "bounds", "out"}]; each becomes a picture of SIZE x SIZE pixels.
"""

import json
import sys

from qgis.core import (
    QgsApplication,
    QgsContrastEnhancement,
    QgsCoordinateReferenceSystem,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsRasterLayer,
    QgsRasterMinMaxOrigin,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def main(size: int, jobs: list) -> int:
    application = QgsApplication([], False)
    application.initQgis()
    failed = 0
    for job in jobs:
        layer = QgsRasterLayer(job["uri"], "layer", job["provider"])
        if not layer.isValid():
            print(f"{job['uri']}: {layer.error().message()}")
            failed += 1
            continue
        if job["provider"] == "wcs":
            # As it comes QGIS cuts off the brightest 2 %: more than the marker would be white.
            layer.setContrastEnhancement(QgsContrastEnhancement.StretchToMinimumMaximum, QgsRasterMinMaxOrigin.MinMax)
        settings = QgsMapSettings()
        settings.setLayers([layer])
        settings.setDestinationCrs(QgsCoordinateReferenceSystem(job["crs"]))
        settings.setOutputSize(QSize(size, size))
        settings.setBackgroundColor(QColor(0, 0, 0, 0))
        settings.setExtent(QgsRectangle(*job["bounds"]))
        renderer = QgsMapRendererParallelJob(settings)
        renderer.start()
        renderer.waitForFinished()
        renderer.renderedImage().save(job["out"])
    application.exitQgis()
    return 1 if failed else 0


if __name__ == "__main__":
    with open(sys.argv[2]) as file:
        sys.exit(main(int(sys.argv[1]), json.load(file)))
