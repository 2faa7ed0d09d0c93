"""SM4-GCM with a truncated tag, by the library ``cryptography``; nothing of it is our own.

Source: GB/T 32907 (SM4), NIST SP 800-38D (GCM), RFC 8998 (both together).
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bdgw.errors import UnavailableError

__all__ = ["KEY_BYTES", "NONCE_BYTES", "check_available", "decrypt", "encrypt"]

KEY_BYTES = 16
NONCE_BYTES = 12


def check_available() -> None:
    """Find out whether the installed cryptographic library has SM4-GCM.

    Raises:
        UnavailableError: it has not; some builds leave it out.
    """
    try:
        encrypt(bytes(KEY_BYTES), bytes(NONCE_BYTES), b"", b"", tag_bytes=16)
    except UnsupportedAlgorithm as error:
        raise UnavailableError("the cryptographic library has no SM4-GCM") from error


def encrypt(key: bytes, nonce: bytes, bound: bytes, plain: bytes, *, tag_bytes: int) -> bytes:
    """Give the ciphertext and behind it the first ``tag_bytes`` of the tag.

    ``bound`` is authenticated and not sent.
    """
    cipher = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    cipher.authenticate_additional_data(bound)
    hidden = cipher.update(plain) + cipher.finalize()
    return hidden + cipher.tag[:tag_bytes]


def decrypt(
    key: bytes, nonce: bytes, bound: bytes, sealed: bytes, *, tag_bytes: int
) -> bytes | None:
    """Give the plaintext, or None where the tag does not fit; then nothing of it is shown."""
    if len(sealed) < tag_bytes:
        return None
    tag = sealed[len(sealed) - tag_bytes :]
    mode = modes.GCM(nonce, tag, min_tag_length=tag_bytes)
    cipher = Cipher(algorithms.SM4(key), mode).decryptor()
    cipher.authenticate_additional_data(bound)
    plain = cipher.update(sealed[: len(sealed) - tag_bytes])
    try:
        return plain + cipher.finalize()
    except InvalidTag:
        return None
