"""Lines that receivers of Unicore's printed, with checksums that hold.

All but ``B2B_SET`` are the examples of the Unicore N4 Products Commands and Logs Reference Book
R1.6 (October 2024), sections 7.3.4, 7.3.5 and 7.3.18. ``B2B_SET`` is of a UM980 in 2026, out of
tests/test_stream_demux.py of the public repository holubp/um980-rtklib-pipeline. ASCII lines are
not read by the gateway: what is binary in them, or can be made so, is put into frames.
"""

from __future__ import annotations

import struct
import zlib

from fwsim.unicore_message import frame

WEEK_MS = 604_800_000
COMPRESSED = (
    b"#OBSVMCMPA,97,GPS,FINE,2244,271100000,0,0,18,14;15,"
    b"231c38056534f76f3f39820a747fff9e7519c015e0020000,"
    b"231cd0012392f75f2639820a8f905fd82019c01560030000,"
    b"431c380562a20030e916b20965478889431fc01560030000,"
    b"631c3805c35cf43fad949a0b0e037f8f850ac01560020000,"
    b"631cd001bad8f42f9e949a0bbfcbd9ce420ac015e0020000,"
    b"831c380598dcf4cf102cd30b9e9687f2190cc015e0010000,"
    b"a31c300109070260ace7bb093919828463162015c0020000,"
    b"e31c3805f873fb6f0dadfe0926ca54e23220c01580030000,"
    b"e31cd0018aa4fbcfe2acfe09f5ace6982020c015c0030000,"
    b"071d300129740cd017ca160c7457ebcf7a10200040010000,"
    b"231d3805014609f0e7165f0aba44fbb0651ac01520030000,"
    b"231dd001fce208b0c0165f0a5d8c9be9201ac015a0030000,"
    b"431d3805df6f06d090925e0bac1a36ae621dc01560020000,"
    b"631d3805026f06305463350bb9bd4ac3e703c015a0020000,"
    b"631dd001562a06d03a63350bd5057d803003c01540030000*d04eae82"
)
SECOND_ANTENNA = (
    b"#OBSVHCMPA,97,GPS,FINE,2244,271111000,0,0,18,14;8,"
    b"231c3805d95bf4cfc78e9b0be8f5fe8ed90a201640020000,"
    b"431c3805b86906904ad9340b8f6b91c395034016a0020000,"
    b"631c3805b86ffbbfee0eff093daf22e22020c01660030000,"
    b"831c3805c09e00d06d09b2097e358f89541f601660030000,"
    b"a31c3805c06c06205c085e0be7d77caee71d401660020000,"
    b"c31c380514420910c84f5e0a333561b1311a601620030000,"
    b"e31c38057430f78f6af6820ae5ab9e9e53192016c0020000,"
    b"231d380560daf4ff561bd40b33ec0cf27a0c2016c0010000*24135d12"
)
B2A_SET = (
    b"#BD3EPHA,77,GPS,FINE,2211,180091000,0,0,18,4;44,0,3,15,21,21,2211,2211,176400.0,176400.0,"
    b"-1.423828125e+01,1.108884811e-02,3.726583799e-09,-1.069685670e-13,1.309681137e+00,"
    b"8.019023808e-04,6.109550176e-01,2.244487405e-07,8.259899914e-06,1.940156250e+02,"
    b"6.187500000e+00,1.210719347e-08,7.450580597e-09,9.593903595e-01,-4.500187451e-11,"
    b"1.952617584e+00,-6.803497679e-09,176400.0,-2.153683454e-09,-1.199077815e-08,"
    b"0.000000000e+00,0.000000000e+00,0.000000000e+00,-2.910383046e-10,6.693656906e-04,"
    b"1.219113699e-11,0.000000000e+00,588,0,27,0,7,0,0,1*b90d9566"
)
B2B_SET = (
    b"#BD3EPHA,85,GPS,FINE,2420,537000000,0,0,18,11;27,0,3,1,0,0,2420,2420,536983.0,536400.0,"
    b"4.020019531e+02,2.065658569e-03,4.007666935e-09,-1.212034303e-14,-2.300111513e-01,"
    b"7.274733507e-04,1.570437934e+00,4.580244422e-06,1.070089638e-06,3.341679688e+02,"
    b"9.366015625e+01,-5.867332220e-08,-1.862645149e-08,9.484101602e-01,8.446780414e-11,"
    b"1.070358689e+00,-7.127975480e-09,536400.0,0.000000000e+00,0.000000000e+00,"
    b"-8.556526154e-09,0.000000000e+00,0.000000000e+00,0.000000000e+00,6.391645293e-04,"
    b"4.780176255e-12,0.000000000e+00,1788,0,30,7,7,0,0,2*caef92a9"
)
LINES = (COMPRESSED, SECOND_ANTENNA, B2A_SET, B2B_SET)
_BD3EPH = "<BBBBHHHH29diBBBBiiI"


def checksum_holds(line: bytes) -> bool:
    body, told = line[1:].split(b"*")
    return zlib.crc32(body, 0xFFFF_FFFF) ^ 0xFFFF_FFFF == int(told, 16)


def values_of(line: bytes) -> list[str]:
    return line.split(b";")[1].split(b"*")[0].decode().split(",")


def gpst_ns_of(line: bytes) -> int:
    week, tow_ms = line.split(b",")[4:6]
    return (int(week) * WEEK_MS + int(tow_ms)) * 1_000_000


def compressed_frame(line: bytes) -> bytes:
    """The records of a line in a frame of OBSVMCMP."""
    count, *rows = values_of(line)
    return frame(
        138, gpst_ns_of(line), struct.pack("<I", int(count)) + bytes.fromhex("".join(rows))
    )


def bd3eph_frame(line: bytes) -> bytes:
    """The numbers of a line at the places that the book gives them."""
    values = values_of(line)
    whole = [*range(8), *range(37, 45)]
    numbers = [int(v) if i in whole else float(v) for i, v in enumerate(values)]
    return frame(2999, gpst_ns_of(line), struct.pack(_BD3EPH, *numbers))
