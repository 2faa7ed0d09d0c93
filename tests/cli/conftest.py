"""What the command line borrows from the tests of the broker."""

from tests.publish.conftest import certificates

__all__ = ["certificates"]
