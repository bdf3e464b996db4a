"""What an SVG chart shows: its panels, the curves in each, and where their points lie."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np


def panels(svg: str) -> dict[str, list[np.ndarray]]:
    """Curves of each panel by its title, in the order drawn: arrays [points, 2] in pixels."""
    found = {}
    for group in ElementTree.fromstring(svg).iter("g"):
        if re.search(r"axes_\d+$", group.get("id", "")):
            lines = [line for line in group.findall("g") if "line2d_" in line.get("id", "")]
            title = [text.text for text in group.findall("g/text")][-1]
            found[title] = [_points(line.find("path").get("d")) for line in lines]
    return found


def heights_follow(curves: list[np.ndarray], values: list[list[float]]) -> bool:
    """Whether the curves show these values, all on one linear scale that grows upwards."""
    if [len(curve) for curve in curves] != [len(one) for one in values]:
        return False
    drawn, wanted = np.concatenate([curve[:, 1] for curve in curves]), np.concatenate(values)
    if np.ptp(wanted) == 0:
        return np.ptp(drawn) == 0
    slope, start = np.polyfit(wanted, drawn, 1)
    return slope < 0 and np.allclose(slope * wanted + start, drawn, atol=0.01)


def _points(path: str) -> np.ndarray:
    return np.array(re.findall(r"[ML] (\S+) (\S+)", path), float)
