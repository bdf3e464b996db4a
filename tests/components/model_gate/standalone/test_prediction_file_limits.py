"""Files that no table of predictions looks like are refused before they fill the memory."""

import gzip

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.model_gate.standalone import bounded_stream, prediction_file, text_columns
from components.model_gate.standalone.prediction_file import MAX_COLUMNS, read_predictions
from schemas.errors import InputError

HEADER = b"patient_id,domain,label,score\n"
ROW = b"p1,in_distribution,1,0.5\n"


def refused(path, content: bytes, words: str) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as error:
        read_predictions(str(path))
    assert len(str(error.value)) < 300
    assert "\n" not in str(error.value)


def test_gzip_that_unpacks_to_hundreds_of_times_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_stream, "_HARMLESS", 2**17)
    content = HEADER + ROW * 20_000
    packed = gzip.compress(content)
    assert len(content) > bounded_stream.MAX_RATIO * len(packed)
    refused(tmp_path / "bomb.csv.gz", packed, "unpack to more than 200 times")
    # Rows that differ do not pack like that.
    rows = [b"p%d,in_distribution,1,0.%05d\n" % (one, one * 7919 % 99991) for one in range(20_000)]
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(HEADER + b"".join(rows)))
    assert len(read_predictions(str(tmp_path / "table.csv.gz"))) == 20_000


@pytest.mark.parametrize(
    "content",
    [
        HEADER + b"x" * 3_000_000,
        # No cell is long, and no line, but the row does not end.
        HEADER + b'"\n",' * 800_000,
        b"x" * 3_000_000,
    ],
)
def test_a_row_without_an_end(tmp_path, content):
    refused(tmp_path / "table.csv", content, "row of more than the 1000000 bytes")


def test_more_bytes_than_are_accepted(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_stream, "MAX_BYTES", 100_000)
    content = HEADER + ROW * 10_000
    refused(tmp_path / "table.csv", content, "hold more than the 0.0001 GB that are accepted")


def test_more_rows_than_are_accepted(tmp_path, monkeypatch):
    monkeypatch.setattr(text_columns, "MAX_ROWS", 100)
    monkeypatch.setattr(prediction_file, "MAX_ROWS", 100)
    refused(tmp_path / "table.csv", HEADER + ROW * 101, "more than the 100 rows")
    pd.DataFrame({"patient_id": ["p"] * 101}).to_parquet(tmp_path / "made.parquet")
    content = (tmp_path / "made.parquet").read_bytes()
    refused(tmp_path / "table.parquet", content, "have 101 rows, at most 100 are accepted")
    (tmp_path / "table.csv").write_bytes(HEADER + ROW * 100)
    assert len(read_predictions(str(tmp_path / "table.csv"))) == 100


def test_more_columns_than_are_accepted(tmp_path):
    names = ",".join(f"c{one}" for one in range(100_000)).encode()
    refused(tmp_path / "table.csv", names + b"\n", f"100000 columns, at most {MAX_COLUMNS}")
    pq.write_table(pa.table({f"c{one}": [1] for one in range(3000)}), tmp_path / "made.parquet")
    content = (tmp_path / "made.parquet").read_bytes()
    refused(tmp_path / "table.parquet", content, f"3000 columns, at most {MAX_COLUMNS}")


def test_a_long_text_that_parquet_repeats_by_a_number(tmp_path):
    """A file of a megabyte that would be a terabyte of text."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), ["x" * 1_000_000])
    pq.write_table(pa.table({"patient_id": texts}), tmp_path / "made.parquet")
    content = (tmp_path / "made.parquet").read_bytes()
    assert len(content) < 2_000_000
    refused(tmp_path / "table.parquet", content, "a cell holds more than 1000 characters")


def test_where_a_byte_is_not_utf_8(tmp_path):
    content = HEADER + ROW * 2000
    at = len(content) + 1
    words = f"byte 0xff at {at};"
    refused(tmp_path / "table.csv", content + b"p\xff,shifted,1,0.5\n" + ROW * 2000, words)
    refused(tmp_path / "mark.csv", b"\xef\xbb\xbf" + b"p\xff\n", "byte 0xff at 4;")


def test_parquet_has_the_texts_that_csv_has(tmp_path):
    """Columns of few texts and of many, numbers, missing cells and lists, over several pieces."""
    size = 12_000
    table = pd.DataFrame(
        {
            "patient_id": [f"p{one}" for one in range(size)],
            "domain": ["shifted", " in_distribution "] * (size // 2),
            "label": [1, 0] * (size // 2),
            "score": [one / size for one in range(size)],
            # Few texts at first, and many later.
            "ward": ["w"] * 6000 + [f"w{one}" for one in range(6000)],
            "age": [None, 43.0] * (size // 2),
        }
    )
    table.to_csv(tmp_path / "table.csv", index=False)
    table.to_parquet(tmp_path / "table.parquet", index=False)
    first = read_predictions(str(tmp_path / "table.csv"))
    second = read_predictions(str(tmp_path / "table.parquet"))
    expected = table.astype(object).where(table.notna(), "").astype(str)
    expected["domain"] = expected["domain"].str.strip()
    for name in table:
        assert first[name].tolist() == second[name].tolist() == expected[name].tolist()
    assert first.index.tolist() == list(range(2, size + 2))
    assert second.index.tolist() == list(range(1, size + 1))
    lists = pa.table({"patient_id": ["a", None], "found": [[1, 2], None]})
    pq.write_table(lists, tmp_path / "lists.parquet")
    read = read_predictions(str(tmp_path / "lists.parquet"))
    assert read["patient_id"].tolist() == ["a", ""]
    assert read["found"].tolist() == ["[1, 2]", ""]


def test_lines_that_are_counted_with_blank_ones_between(tmp_path):
    (tmp_path / "table.csv").write_bytes(HEADER + ROW + b"\n" + ROW)
    assert read_predictions(str(tmp_path / "table.csv")).index.tolist() == [2, 4]
