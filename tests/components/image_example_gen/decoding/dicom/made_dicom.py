"""DICOM files that the tests write, and what decoding shows of them."""

import io

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from components.image_example_gen.decoding.dicom import file as dicom
from components.image_example_gen.pixels.picture import Picture

LIMIT = 10**7


def make(values, syntax=ExplicitVRLittleEndian, frames=None, **tags):
    """A data set of values; `tags` are further attributes, None for those that are not there."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    little = syntax != ExplicitVRBigEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128, is_little_endian=little)
    shape = values.shape[1:] if frames else values.shape
    made.Rows, made.Columns = shape[:2]
    made.SamplesPerPixel = shape[2] if len(shape) == 3 else 1
    made.PhotometricInterpretation = "RGB" if len(shape) == 3 else "MONOCHROME2"
    if len(shape) == 3:
        made.PlanarConfiguration = 0
    if frames:
        made.NumberOfFrames = frames
    bits = values.dtype.itemsize * 8
    made.BitsAllocated, made.BitsStored, made.HighBit = bits, bits, bits - 1
    made.PixelRepresentation = int(values.dtype.kind == "i")
    made.PixelData = values.astype(values.dtype.newbyteorder("<" if little else ">")).tobytes()
    made.BurnedInAnnotation = "NO"
    for name, value in tags.items():
        setattr(made, name, value)
    made["PixelData"].VR = "OW" if bits > 8 else "OB"
    return made


def without(made, *names):
    """The data set without some attributes."""
    for name in names:
        delattr(made, name)
    return made


def file_of(made):
    """The data set as a file."""
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return buffer


def picture_of(made, frame=None, policy=dicom.intensity.AUTO) -> Picture:
    """What decoding makes of a data set."""
    return dicom.decode(file_of(made), frame, LIMIT, policy)


def item(**tags):
    """A sequence's item."""
    made = Dataset()
    for name, value in tags.items():
        setattr(made, name, value)
    return made


def sequence(*items):
    """A sequence."""
    return Sequence(items)


def table_item(descriptor, data, vr="US", data_vr="US"):
    """An item with a lookup table."""
    made = Dataset()
    made.add_new("LUTDescriptor", vr, descriptor)
    made.add_new("LUTData", data_vr, data)
    return made


def ramp(dtype=np.uint16, low=0, high=4095):
    """All values from low to high, as far as 192 pixels reach."""
    return np.linspace(low, high, 12 * 16).round().astype(dtype).reshape(12, 16)


def stretch(values, low, high):
    """Values as bytes, in double precision."""
    return np.clip(np.rint((values.astype(float) - low) / (high - low) * 255), 0, 255)
