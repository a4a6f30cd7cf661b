import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data.files.chunk_codec import (
    DamagedChunkError,
    deflated,
    inflated,
    shuffled,
    unpack,
    unshuffle,
)

TYPES = ["<u2", ">u2", "<f4", ">f4", "<i8", "<f8", "u1", "<f2"]


@given(plain=st.binary(min_size=1, max_size=3000), level=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_zlib_and_ours_read_each_other(plain, level):
    assert zlib.decompress(deflated(plain, level)) == plain
    assert inflated(zlib.compress(plain, level), len(plain)) == plain


def test_higher_levels_are_smaller(zn_bytes):
    fast, small = (len(deflated(zn_bytes, level)) for level in (1, 6))
    assert small < fast < len(zlib.compress(zn_bytes, 1))


@pytest.fixture(scope="module")
def zn_bytes():
    from caloforge.data import load_sample

    return shuffled(load_sample("zn-test").showers[:135]).tobytes()


@pytest.mark.parametrize("size", [1, 99, 101, 10_000])
def test_a_stream_of_another_length_is_damaged(size):
    with pytest.raises(DamagedChunkError):
        inflated(zlib.compress(bytes(100)), size)


def test_a_flipped_bit_is_found_or_does_no_harm(zn_bytes):
    packed = bytearray(zlib.compress(zn_bytes, 1))
    found = 0
    for place in range(0, len(packed), len(packed) // 40):
        packed[place] ^= 4
        try:
            # A zero copied from another place of many zeros is the same zero.
            assert inflated(bytes(packed), len(zn_bytes)) == zn_bytes
        except DamagedChunkError:
            found += 1
        packed[place] ^= 4
    assert found > 30


class TestShuffle:
    def test_two_numbers_by_hand(self):
        planes = shuffled(np.array([[0x0102, 0x0304]], dtype="<u2"))
        assert planes.tolist() == [[2, 4], [1, 3]]

    @pytest.mark.parametrize("dtype", TYPES)
    def test_back_and_forth(self, dtype):
        rows = np.random.default_rng(0).integers(0, 256, (40, 5, 8), dtype=np.uint8)
        rows = np.ascontiguousarray(rows.reshape(40, -1)).view(dtype)
        plain = shuffled(rows).tobytes()
        some = np.array([0, 3, 4, 39])
        for chosen in (slice(0, 40), slice(7, 9), slice(5, 5), some):
            for function, data in ((unshuffle, plain), (unpack, rows.tobytes())):
                out = np.empty_like(rows[chosen])
                function(data, out, chosen)
                assert out.tobytes() == rows[chosen].tobytes()
