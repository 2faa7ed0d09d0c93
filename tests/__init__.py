"""A package by name, so that a "tests" that a library installs (as gmqtt does) cannot hide it."""
