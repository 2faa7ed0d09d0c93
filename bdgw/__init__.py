"""bdgw: BeiDou high-precision positioning and short-message gateway."""

__all__ = ["__version__"]

__version__ = "0.1.0"
