"""Opens, draws and edits an inventory in QGIS, as a geologist does. A Python that has QGIS runs this file alone.

    python3 qgis_session.py INVENTORY.gpkg PICTURE.png

Prints JSON: the style as QGIS has read it, and what became of each edit.
"""

import json
import os
import sys

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from qgis.core import (
    QgsApplication,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsGeometry,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsPointXY,
    QgsProject,
    QgsVectorLayer,
    QgsVectorLayerUtils,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def opened(path: str, table: str) -> QgsVectorLayer:
    layer = QgsVectorLayer(f"{path}|layername={table}", table, "ogr")
    assert layer.isValid(), table
    _, loaded = layer.loadDefaultStyle()
    assert loaded, table
    return layer


def feature(layer: QgsVectorLayer, number: int):
    return next(each for each in layer.getFeatures() if each.id() == number)


def style(layer: QgsVectorLayer) -> dict:
    form, fields = layer.editFormConfig(), layer.fields()
    labels = layer.labeling().settings()
    texts, tips = {}, {}
    for each in layer.getFeatures():
        context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
        context.setFeature(each)
        expression = QgsExpression(labels.fieldName)
        texts[each.id()] = expression.evaluate(context) or ""
        tips[each.id()] = QgsExpression.replaceExpressionText(layer.mapTipTemplate(), context)
        assert not expression.hasParserError() and not expression.hasEvalError(), expression.evalErrorString()
    return {
        "renderer": layer.renderer().type(),
        "rules": [rule.label() for rule in layer.renderer().rootRule().children()],
        "labels": [layer.labelsEnabled(), labels.scaleVisibility, labels.minimumScale],
        "texts": texts,
        "tips": tips,
        "widgets": {field.name(): layer.editorWidgetSetup(at).type() for at, field in enumerate(fields)},
        "choices": layer.editorWidgetSetup(fields.indexOf("review_status")).config()["map"],
        "tabs": {tab.name(): [each.name() for each in tab.children()] for tab in form.tabs()},
        "read_only": [field.name() for at, field in enumerate(fields) if form.readOnly(at)],
        "titles": {field.name(): layer.attributeAlias(at) for at, field in enumerate(fields)},
    }


def draw(layers: list, picture: str) -> None:
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setBackgroundColor(QColor(255, 255, 255))
    settings.setOutputSize(QSize(1000, 800))
    settings.setDestinationCrs(layers[0].crs())
    extent = layers[-1].extent()
    extent.scale(1.05)
    settings.setExtent(extent)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    assert job.renderedImage().save(picture)


def edited(path: str, change, table: str = "landslides") -> str:
    """Changes a table and commits. Returns what QGIS says; "" where all went well."""
    layer = opened(path, table)
    layer.startEditing()
    change(layer)
    said = "" if layer.commitChanges() else " ".join(layer.commitErrors())
    if said:
        layer.rollBack()
    return said


def reshape(layer: QgsVectorLayer) -> None:
    shape = feature(layer, 1).geometry().buffer(1e-5, 3)
    shape.convertToMultiType()
    layer.changeGeometry(feature(layer, 1).id(), shape)


def split(layer: QgsVectorLayer) -> None:
    box = feature(layer, 6).geometry().boundingBox()
    x = box.center().x()
    layer.selectByIds([feature(layer, 6).id()])
    layer.splitFeatures([QgsPointXY(x, box.yMinimum() - 1), QgsPointXY(x, box.yMaximum() + 1)])


def add_drawing(layer: QgsVectorLayer) -> None:
    box = feature(layer, 1).geometry().boundingBox()
    add_triangle(layer, box.xMinimum(), box.yMaximum())


def add_triangle(layer: QgsVectorLayer, west: float, north: float) -> None:
    """As somebody draws it: fields have their defaults."""
    ring = f"{west} {north + 1e-4}, {west + 1e-4} {north + 1e-4}, {west} {north + 2e-4}, {west} {north + 1e-4}"
    layer.addFeature(QgsVectorLayerUtils.createFeature(layer, QgsGeometry.fromWkt(f"MultiPolygon((({ring})))")))


def setting(number: int, **values):
    def change(layer: QgsVectorLayer) -> None:
        for name, value in values.items():
            layer.changeAttributeValue(feature(layer, number).id(), layer.fields().indexOf(name), value)

    return change


def main(path: str, picture: str) -> None:
    application = QgsApplication([], False)
    application.initQgis()
    QgsProject.instance().setFileName("")
    landslides, observed, reviewed = (opened(path, table) for table in ("landslides", "observed", "reviewed"))
    found = {"style": style(landslides), "observed_read_only": observed.readOnly()}
    draw([landslides, reviewed, observed], picture)
    queue = opened(path, "review_queue")
    found |= {"queue": style(queue), "queue_read_only": queue.readOnly()}
    del landslides, observed, reviewed, queue
    found["notes"] = edited(path, setting(3, Notes="seen in the field"))
    found["too_confident"] = edited(path, setting(3, Confidence=8))
    found["unknown_status"] = edited(path, setting(3, review_status="done"))
    found["accepted"] = edited(path, setting(4, review_status="accepted", Confidence=8))
    found["deleted"] = edited(path, lambda layer: layer.deleteFeature(feature(layer, 3).id()))
    found["reshaped"] = edited(path, reshape)
    found["split"] = edited(path, split)
    found["drawn"] = edited(path, add_drawing)
    found["looked_at"] = edited(path, lambda layer: add_triangle(layer, 15.0, 50.0), "reviewed")
    print(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # QGIS takes seconds to clean up, or crashes


if __name__ == "__main__":
    main(*sys.argv[1:])
