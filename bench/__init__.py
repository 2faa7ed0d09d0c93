"""Measurements: ``python -m bench``. Every figure says beside the speed how much work was done."""
