import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.gridcode import encode_2d, level_for_accuracy
from tests.conftest import shared_data


# GB/T 39409-2020, Annex B.2: 39 59 35.38 N, 116 18 45.37 E.
@pytest.mark.parametrize(
    ("level", "code"),
    [
        (1, "N50J"),
        (2, "N50J47"),
        (3, "N50J475"),
        (4, "N50J47539"),
        (5, "N50J47539B8"),
        (6, "N50J47539B82"),
        (7, "N50J47539B8255"),
        (8, "N50J47539B825534"),
    ],
)
def test_example_of_the_standard(level, code):
    assert encode_2d(39 + 59 / 60 + 35.38 / 3600, 116 + 18 / 60 + 45.37 / 3600, level) == code


def test_vectors_of_all_hemispheres():
    vectors = json.loads(shared_data("vectors", "bdgrid.json").read_text(encoding="utf-8"))
    assert len(vectors["encode2d"]) > 10
    for row in vectors["encode2d"]:
        assert encode_2d(row["lat"], row["lon"], row["level"]) == row["code"], row


@given(
    st.floats(min_value=-87.99, max_value=87.99),
    st.floats(min_value=-180, max_value=180),
    st.integers(min_value=1, max_value=9),
)
def test_a_coarser_code_is_a_prefix_of_a_finer_one(lat, lon, level):
    assert encode_2d(lat, lon, level + 1).startswith(encode_2d(lat, lon, level))


@pytest.mark.parametrize(("lat", "lon", "level"), [(88, 0, 5), (0, 181, 5), (0, 0, 11), (0, 0, 0)])
def test_what_has_no_code_is_refused(lat, lon, level):
    with pytest.raises(ValueError):
        encode_2d(lat, lon, level)


@pytest.mark.parametrize(
    ("acc_h_m", "level"), [(None, 7), (0.012, 10), (0.1, 9), (0.9, 8), (5.0, 7), (1e9, 1)]
)
def test_the_cell_is_never_finer_than_the_accuracy(acc_h_m, level):
    assert level_for_accuracy(acc_h_m) == level
